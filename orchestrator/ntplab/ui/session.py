"""A lab under one's hands: NTP, clocks, policy and load by the page's buttons, all recorded.

Stands on the same functions as the verbs `ntp`, `clock` and `run`. Every change of NTP for all,
of policy or of load begins a new phase, with seats of its own, so that phases can be compared.
One change at a time: whoever comes second waits.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from ..collect.databases import empty_databases
from ..driver.base import Driver
from ..errors import FaultError, NtplabError, UsageError
from ..events import (
    FaultInForce,
    NtpSeen,
    NtpSwitched,
    PhaseEnded,
    PhaseMeasuring,
    PhaseStarted,
    PolicyChanged,
)
from ..faults import bend, ntp_state, switch_ntp
from ..faults.handle import each
from ..lab import Lab
from ..scenario.workload import Policy
from ..standing import lab_handle, plan_of
from ..sweep.stage import reconfigure
from .load import RATE_HZ_MAX, HandLoad
from .model import Model
from .network import network_of
from .recording import Recording
from .train_load import CustomersLoad

REMEMBERED_LINES = 100
"""Of the observer's samples from before we came: five seconds, so that the chart is not empty."""
POLICIES = (
    "timestamp-order", "lease", "lease-fenced", "lease-db-time", "lease-monotonic",
    "last-write-wins", "commit-wait", "hybrid-logical", "unique",
)  # fmt: skip
LOOK_EVERY_S = 15.0
"""At the latest; sooner when a daemon begins or ceases to answer."""


class Session:
    """One standing lab on the page. `model` is what the page shows."""

    def __init__(
        self, driver: Driver, name: str, runs: Path, rate_hz_max: float = RATE_HZ_MAX, **about: Any
    ) -> None:
        """`rate_hz_max`: the most load that may be asked for; `about`: what else the page is to
        know."""
        self._runs, self._rate_hz_max = runs, rate_hz_max
        plan = plan_of(driver, name, runs)
        handle = lab_handle(driver, name)
        self.model = Model(
            mode="lab", lab=name, scenario=plan.name,
            policy=plan.train.protocol if plan.train else plan.policy, system=plan.system,
            servers=[server.name for server in plan.servers], policies=list(POLICIES),
            rate_hz=0.0, rate_hz_max=rate_hz_max,
            network=network_of(asdict(plan.train) if plan.train else None), **about,
        )  # fmt: skip
        self.lab = Lab(driver, plan, name, handle.clock, self._emit, self._append)
        self._namespaces = self.lab.time_namespaces()
        self._busy = threading.RLock()
        self._phases: dict[str, Recording] = {}
        self._phase: str | None = None
        self._rate_hz = 0.0
        train = self.lab.train
        self._loads: HandLoad | CustomersLoad = (
            CustomersLoad(self.lab.handle, train, self.lab.dead)
            if train
            else HandLoad(self.lab, self._append)
        )
        self._recording = Recording(self.lab, runs, self.model.feed, self._namespaces)
        self._states: dict[str, str] = {}
        self._wanted: dict[str, str] = {}
        self._closed, self._look_soon = threading.Event(), threading.Event()
        self._answers: dict[str, bool] = {}

    def start(self) -> Session:
        self.lab.follow_observer(REMEMBERED_LINES)
        if self.lab.train:
            self.lab.train.feed.place(self._recording.clocks)
            self.lab.train.follow()
        self.look()
        self._wanted = dict(self._states)
        threading.Thread(target=self._watch, name="ui-session", daemon=True).start()
        return self

    @property
    def servers(self) -> list[str]:
        return [server.name for server in self.lab.plan.servers]

    @property
    def rate_hz(self) -> float:
        """The load that was asked for last."""
        return self._rate_hz

    def recording_of(self, phase: str) -> Recording | None:
        return self._phases.get(phase)

    # what the page's buttons do

    def switch(self, state: str, servers: Sequence[str] = ()) -> None:
        """NTP on or off, for the servers named or for all; seen in force when this returns."""
        chosen = self._known(servers)
        with self._busy:
            everybody = set(chosen) == set(self.servers)
            if everybody and self._phase:
                self._end_phase()
            asked_ns = self.lab.now_ns()

            def one(node: str) -> None:
                seen_ns = switch_ntp(self.lab.handle, node, state, "daemon")
                self._states[node] = self._wanted[node] = state
                at_ns = self.lab.now_ns()
                self._emit(NtpSwitched(at_ns, node, state, "daemon", asked_ns, seen_ns))

            each(chosen, one)
            if everybody and self._rate_hz:
                self._begin_phase()

    def bend(self, node: str, action: str, value: float) -> None:
        """`step` or `set` by ns, `drift` to ppm; read back when this returns."""
        if action not in ("step", "set", "drift"):
            raise UsageError(f"no clock action {action!r}", hint="there are: step, set, drift")
        self._known([node])
        with self._busy:
            asked_ns = self.lab.now_ns()
            seen = bend(self.lab.handle, node, action, value if action == "drift" else int(value))
            words = f"{value:g}ppm" if action == "drift" else f"{value / 1e9:+g}s"
            kind = "offset" if action == "set" else action
            self._emit(
                FaultInForce(
                    self.lab.now_ns(), node, kind, words, asked_ns, int(seen["lab_ns"]),
                    int(seen["divergence_ns"][node]), self._phase,
                )
            )  # fmt: skip

    def load(self, rate_hz: float) -> None:
        """So many races for a seat a second from now on; 0 for none."""
        if not 0 <= rate_hz <= self._rate_hz_max:
            hint = f"between 0 and {self._rate_hz_max:g}/s"
            raise UsageError(f"a load of {rate_hz:g}/s", hint=hint)
        with self._busy:
            if self._phase:
                self._end_phase()
            self._rate_hz = rate_hz
            self.model.tell(rate_hz=rate_hz)
            if rate_hz:
                self._begin_phase()

    def policy(self, name: str) -> None:
        """Every server decides by this policy from now on; a run directory of its own begins."""
        if self.lab.train:
            raise UsageError(
                "a train lab has no seat policy", hint="its protocol is its scenario's"
            )
        if name not in POLICIES:
            raise UsageError(f"no policy {name!r}", hint=f"there are: {', '.join(POLICIES)}")
        given = TypeAdapter(Policy).validate_python({"name": name}).model_dump(exclude={"name"})
        params = {f"{key}_ns": value for key, value in given.items()}
        with self._busy:
            if self._phase:
                self._end_phase()
            self._recording.close()
            self.lab.adopt(replace(self.lab.plan, policy=name, policy_params=params))
            self._recording = Recording(self.lab, self._runs, self.model.feed, self._namespaces)
            each(self.servers, lambda node: reconfigure(self.lab.handle, node, self.lab.plan))
            self._emit(PolicyChanged(self.lab.now_ns(), name))
            self.look(told=True)
            if self._rate_hz:
                self._begin_phase()

    def snapshot(self) -> None:
        """A snapshot of the whole train system, while it goes on."""
        if not isinstance(self._loads, CustomersLoad):
            raise UsageError("only a train lab takes snapshots")
        with self._busy:
            asked_ns, office = self.lab.now_ns(), self._loads.office
            words = self._loads.snapshot()
            seen_ns = self.lab.now_ns()
            self._emit(
                FaultInForce(
                    seen_ns, office, "snapshot", words, asked_ns, seen_ns, None, self._phase
                )
            )

    def revive(self, node: str) -> None:
        """A server has come back: policy and NTP as they were switched here."""
        with self._busy:
            self.lab.dead.discard(node)
            reconfigure(self.lab.handle, node, self.lab.plan)
            if (state := self._wanted.get(node)) is not None:
                switch_ntp(self.lab.handle, node, state, "daemon")
            self.look()

    def close(self) -> None:
        """End the load and seal what was recorded; the lab stays as it is."""
        with self._busy:
            self._closed.set()
            self._look_soon.set()
            try:
                if self._phase:
                    self._end_phase()
                self._loads.close()
            finally:
                self._recording.close()

    # phases

    def _begin_phase(self) -> None:
        if not self._phases:
            self.start_fresh()
        name = f"{len(self._phases) + 1}-ntp-{self._state()}"
        phase = self._loads.plan(name, self._rate_hz)
        self._phases[name], self._phase = self._recording, name
        self._recording.add_phase(phase, [n for n, s in self._states.items() if s == "on"])
        state = self._state()
        self._emit(PhaseStarted(self.lab.now_ns(), name, state, phase.duration_ns))
        start_ns = self._loads.begin(phase)
        self._emit(PhaseMeasuring(start_ns, name))

    def start_fresh(self) -> None:
        """Earlier hands may have sold the same seats, in phases of the same names."""
        if self.lab.train:
            return
        empty_databases(self.lab.driver, self.lab.name)
        each(self.servers, lambda node: reconfigure(self.lab.handle, node, self.lab.plan))

    def _end_phase(self) -> None:
        phase, self._phase = self._phase, None
        assert phase is not None
        sent = self._loads.end()
        self._emit(PhaseEnded(self.lab.now_ns(), phase, sent))
        if not self.lab.train:
            self._phases[phase].collect(phase)

    def _state(self) -> str:
        states = set(self._states.values())
        return states.pop() if len(states) == 1 else "mixed"

    # watching

    def check(self) -> None:
        """Raises what keeps clocks or load from being recorded, if anything does."""
        self.lab.check_observer()
        self._loads.check()

    def look(self, *, told: bool = False) -> None:
        """See which servers NTP steers; say what is new (`told`: all of it)."""
        for seen in each(self.servers, lambda node: ntp_state(self.lab.handle, node)):
            state = "on" if seen.on else "off"
            if told or self._states.get(seen.node) != state:
                self._states[seen.node] = state
                self._emit(NtpSeen(self.lab.now_ns(), seen.node, state, seen.why_off()))

    def _watch(self) -> None:
        """NTP may also be switched from a terminal, and nodes may die."""
        while not self._closed.is_set():
            self._look_soon.wait(LOOK_EVERY_S)
            self._look_soon.clear()
            try:
                self.lab.check_alive()
                self.check()
                if self._busy.acquire(blocking=False):
                    try:
                        self.look()
                    finally:
                        self._busy.release()
            except NtplabError as error:
                if self._closed.is_set():
                    return
                self.model.tell(trouble=error.message)
                if not self.lab.driver.containers(self.lab.name):
                    return

    def _heed(self, beliefs: list[Any]) -> None:
        """A daemon that begins or ceases to answer was switched by somebody."""
        for row in beliefs:
            answers = row.get("state") == "ok"
            if self._answers.get(row["node"], answers) != answers:
                self._look_soon.set()
            self._answers[row["node"]] = answers

    def _known(self, servers: Sequence[str]) -> list[str]:
        unknown = [name for name in servers if name not in self.servers]
        if unknown:
            raise FaultError(
                f"no server {', '.join(unknown)}", hint=f"there are: {', '.join(self.servers)}"
            )
        return list(servers) or self.servers

    # what is recorded goes to the recording that is open now

    def _emit(self, event: Any) -> None:
        self._recording.emit(event)

    def _append(self, table: str, rows: Any) -> None:
        kept = list(rows)
        if table == "belief":
            self._heed(kept)
        self._recording.append(table, kept)
