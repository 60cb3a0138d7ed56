"""All nodes of one lab: their facts, their load, snapshots, restarts.

After driver, collect and faults, before lab and phases.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterable
from dataclasses import asdict
from typing import Any

from ..collect.samples import Append
from ..collect.train import TrainFeed
from ..driver.base import Driver
from ..errors import FaultError, NodeError
from ..faults.handle import LabHandle, each, until
from ..plan import FaultPlan, PhasePlan
from ..train_plan import CustomersPlan, LinkPlan, TrainPlan
from .asking import SEEN_WITHIN_S, answers, ask, connect

READY_WITHIN_S = 90.0
SNAPSHOT_WITHIN_S = 60.0
IDLE_WITHIN_S = 45.0
"""How long requests may take to end once the load has."""
POLL_S = 0.2
LOOK_FOR_DEAD_S = 1.0
"""Asking the engine costs it some work, so not at every look."""
ASKED_AT_ONCE_MAX = 5


class TrainNodes:
    """All nodes of one lab's train system."""

    def __init__(self, handle: LabHandle, plan: TrainPlan, append: Append) -> None:
        self.handle, self.plan, self._append = handle, plan, append
        self.feed = TrainFeed(handle.driver, handle.lab, append)

    @property
    def _driver(self) -> Driver:
        return self.handle.driver

    # bringing up

    def follow(self) -> None:
        """Listen to every node; they run by now."""
        for node in self.plan.nodes:
            self.feed.follow(node)

    def wait_started(self, look: Callable[[], Collection[str]]) -> str | None:
        """The first node that did not start in time, or of which `look` says that it is dead; None
        when all did."""
        now = time.monotonic()
        deadline, look_at = now + READY_WITHIN_S, now + LOOK_FOR_DEAD_S
        while missing := [n for n in self.plan.nodes if not self.feed.starts[n]]:
            now = time.monotonic()
            if now > look_at:
                if dead := [node for node in missing if node in look()]:
                    return dead[0]
                look_at = now + LOOK_FOR_DEAD_S
            if now > deadline:
                return missing[0]
            self.feed.wait(POLL_S)
        return None

    def prepare(self) -> None:
        """Give the office its tickets, and the links what they do."""
        office = self.plan.office
        until(lambda: answers(self.handle, office), SEEN_WITHIN_S, f"{office} answering")
        if not ask(self.handle, office, {"do": "tickets"})[0]:
            ask(self.handle, office, {"do": "import", "csv": self.plan.timetable})
        if self.plan.links != LinkPlan():
            self.bend(self.plan.nodes, self.plan.links)

    # load

    def start_load(self, phase: PhasePlan, load: CustomersPlan, dead: set[str]) -> None:
        """Every client begins to ask for tickets; wishes are drawn from the phase's seed."""
        request = {
            "do": "load",
            "action": "start",
            "seed": phase.seed,
            "think_mean_ns": load.think_mean_ns,
            "requests": load.requests,
            "wishes": [asdict(wish) for wish in load.wishes],
        }
        each(self._clients(dead), lambda node: ask(self.handle, node, request))

    def stop_load(self, dead: set[str]) -> None:
        """No client makes a new request."""
        request = {"do": "load", "action": "stop"}
        each(self._clients(dead), lambda node: ask(self.handle, node, request))

    def wait_idle(self, dead: set[str]) -> list[str]:
        """Return once no request is under way; who still has one after `IDLE_WITHIN_S`."""
        deadline = time.monotonic() + IDLE_WITHIN_S
        while waiting := self._not_idle(dead):
            if time.monotonic() > deadline:
                break
            self.feed.wait(POLL_S)
        return waiting

    def _not_idle(self, dead: set[str]) -> list[str]:
        """Asks only those of which the facts do not say that they are idle, and few at a time:
        asking takes the very processors that answers need."""
        suspects = [node for node in self._clients(dead) if node in self.feed.under_way]
        if len(suspects) > ASKED_AT_ONCE_MAX:
            return suspects
        status = each(suspects, lambda node: ask(self.handle, node, {"do": "status"})[0])
        busy = []
        for node, now in zip(suspects, status, strict=True):
            if now["client"]["stage"] == "idle" and not now["halted"]:
                self.feed.under_way.discard(node)
            else:
                busy.append(node)
        return busy

    def _clients(self, dead: set[str]) -> list[str]:
        return [node for node in self.plan.clients if node not in dead]

    # evidence

    def record(self, phase: str, moment: str, dead: set[str]) -> None:
        """Every node's own account of itself, as it is now."""

        def one(node: str) -> dict[str, Any]:
            status, tickets = ask(self.handle, node, {"do": "status"}, {"do": "tickets"})
            return {
                "phase": phase,
                "moment": moment,
                "lab_ns": self.handle.clock.now_ns(),
                "node": node,
                "lamport": status["lamport"],
                "generation": status["generation"],
                "incarnation": status["incarnation"],
                "status": json.dumps(status),
                "tickets": json.dumps(tickets),
            }

        living = [node for node in self.plan.nodes if node not in dead]
        self._append("ticket_states", each(living, one))

    # faults

    def bend(self, nodes: Iterable[str], link: LinkPlan) -> None:
        """Every link that leaves these nodes, read back from each."""

        def one(node: str) -> None:
            request = link.request()
            _, status = ask(self.handle, node, request, {"do": "status"})
            wanted = {key: value for key, value in request.items() if key != "do"}
            for peer, shown in status["links"].items():
                if {key: shown[key] for key in wanted} != wanted:
                    raise FaultError(f"{node}: the link to {peer} does not do what it was told")

        each(nodes, one)

    def partition(self, node: str, *, on: bool) -> str:
        connect(self.handle, node, on=on)
        return "on the network" if on else "off the network"

    def restart(self, node: str) -> str:
        """Start a killed node's container; its state is on its disk. Seen once it answers."""
        before = self.feed.starts[node]
        self._driver.start(self.handle.lab, node)
        self.feed.follow(node)
        deadline = time.monotonic() + READY_WITHIN_S
        while self.feed.starts[node] == before:
            if time.monotonic() > deadline:
                tail = self._driver.log_tail(self.handle.lab, node)
                raise NodeError(f"{node} did not start again", log_tail=tail)
            self.feed.wait(POLL_S)
        until(lambda: answers(self.handle, node), SEEN_WITHIN_S, f"{node} answering")
        return "answers"

    def snapshot(self, fault: FaultPlan) -> str:
        """Take one and keep it as evidence; or have everybody load the last one."""
        if fault.action == "load":
            return f"epoch {self._load_snapshot(fault.node)} loaded"
        epoch = ask(self.handle, fault.node, {"do": "snapshot-take"})[0]
        until(
            lambda: epoch in ask(self.handle, fault.node, {"do": "snapshot-list"})[0],
            SNAPSHOT_WITHIN_S,
            f"{fault.node}: snapshot {epoch} whole",
        )
        document = ask(self.handle, fault.node, {"do": "snapshot-show", "epoch": epoch})[0]
        row = {
            "lab_ns": self.handle.clock.now_ns(),
            "epoch": epoch,
            "document": json.dumps(document),
        }
        self._append("train_snapshots", [row])
        return f"epoch {epoch} taken"

    def _load_snapshot(self, office: str) -> int:
        epochs = ask(self.handle, office, {"do": "snapshot-list"})[0]
        if not epochs:
            raise FaultError(f"{office}: there is no snapshot to load")
        epoch = int(epochs[-1])
        ask(self.handle, office, {"do": "snapshot-load", "epoch": epoch})
        until(
            lambda: not ask(self.handle, office, {"do": "status"})[0]["halted"],
            SNAPSHOT_WITHIN_S,
            f"snapshot {epoch} loaded by everybody",
        )
        return epoch
