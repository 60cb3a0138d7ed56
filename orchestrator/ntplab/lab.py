"""A running lab: bring it up, watch it, load it, take it down. Used by `run.py` and `up`.

The observer comes first, so that every clock is as wrong as the plan says before the
machine that it belongs to starts.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from functools import partial
from urllib.parse import urlsplit

from .collect.samples import Append, ObserverFeed
from .collect.streams import Stream
from .daemons import DAEMONS, Daemon
from .driver.base import ContainerInfo, Driver
from .errors import LabError, NodeError
from .events import Emit, Event, LabStep, NodeDied, NodeStarted
from .faults import LabHandle
from .faults.clocks import OBSERVER, PROGRAM
from .faults.handle import each, until
from .faults.ntp import daemon_running
from .labtime import LabClock, raw_ns
from .plan import APP_PORT, Plan
from .render import render_files
from .topology import PASSWORD_PATH, NodeSpec, build
from .train_nodes import TrainNodes

READY_WITHIN_S = 60.0
ASK_FOR_S = 5
"""One question to the observer lasts this long; between two, dead nodes are looked for."""
SAME_HOST_WITHIN_NS = 30_000_000_000
TIMENS_FILE = "/run/ntplab/timens"


class Lab:
    """One lab of one plan. `feed` holds what the observer sees; `dead` who was found dead."""

    def __init__(
        self, driver: Driver, plan: Plan, name: str, clock: LabClock, emit: Emit, append: Append
    ) -> None:
        self.plan, self.name = plan, name
        self.handle = LabHandle(driver, name, clock)
        self.topology = build(plan, name, clock.anchor_ns)
        self.feed = ObserverFeed(append, emit)
        self.dead: set[str] = set()
        self.observer_stream: Stream | None = None
        self.train = TrainNodes(self.handle, plan.train, append) if plan.train else None
        self._password = secrets.token_urlsafe(24).encode()
        self._emit = emit
        self._watching = threading.Lock()

    @property
    def driver(self) -> Driver:
        return self.handle.driver

    def now_ns(self) -> int:
        return self.handle.clock.now_ns()

    # bringing up

    def up(self, labels: Mapping[str, str], beside: Callable[[], None] = lambda: None) -> None:
        """Make and start everything; returns when every node answers.

        `beside` is done once the networks are there, while the nodes start.
        Raises `LabError` with a node's last words when one dies or does not get ready.
        What was made until then is left for `down`.
        """
        self._step("networks and clocks")
        each(self.topology.networks, lambda spec: self.driver.create_network(self.name, spec))
        each(self.topology.volumes, lambda spec: self.driver.create_volume(self.name, spec))
        self._step(f"{len(self.topology.nodes)} containers")
        files = self.files()
        each(self.topology.nodes, lambda spec: self._make(spec, files, labels))
        self._wait_for_clocks()
        others = [spec.name for spec in self.topology.nodes if spec.name != OBSERVER]
        starts: list[Callable[[], None]] = [partial(self._start, node) for node in others]
        each([*starts, beside], lambda start: start())
        if self.train:
            self.train.follow()
        self._step("waiting until every node answers")
        self.wait_ready()

    def files(self) -> dict[str, dict[str, bytes]]:
        """What is put into each node before it starts: the rendered files, and the secret."""
        files = render_files(self.plan)
        for spec in self.topology.nodes:
            if spec.kind in ("server", "database"):
                files.setdefault(spec.name, {})[PASSWORD_PATH] = self._password
        return files

    def _make(
        self, spec: NodeSpec, files: Mapping[str, Mapping[str, bytes]], labels: Mapping[str, str]
    ) -> None:
        """Create a container; the observer starts at once, and works while others are created."""
        self.driver.create(self.name, spec, files.get(spec.name, {}), labels)
        if spec.name == OBSERVER:
            self._start(OBSERVER)

    def _start(self, node: str) -> None:
        asked_ns = self.now_ns()
        self.driver.start(self.name, node)
        self._emit(NodeStarted(self.now_ns(), node, asked_ns))

    def _wait_for_clocks(self) -> None:
        """Follow the observer, and wait until it has made every clock page."""
        self.follow_observer()
        deadline = time.monotonic() + READY_WITHIN_S
        while (ready := self.feed.ready) is None:
            self.check_alive()
            if time.monotonic() > deadline:
                raise NodeError(
                    "observer: no clock page was made",
                    log_tail=self.driver.log_tail(self.name, OBSERVER),
                )
            self.feed.wait(0.2)
        if abs(raw_ns() - int(ready["raw_ns"])) > SAME_HOST_WITHIN_NS:
            raise LabError(
                "the engine runs on another machine: its raw clock is not this one's",
                hint="run ntplab on the machine that Docker Engine runs on",
            )

    def follow_observer(self, tail: int | None = None) -> None:
        """Take what the observer says, also what it said before (its last `tail` lines)."""
        self.observer_stream = Stream(self.driver, self.name, OBSERVER, self.feed, tail).start()

    def wait_ready(self) -> None:
        """NTP daemons first: they answer while the apps are still starting."""
        plan = self.plan
        steered = [
            s.name for s in plan.servers if s.ntp_at_start and DAEMONS[s.daemon].tells_belief
        ]
        ntp_nodes = [server.name for server in plan.time_servers] + steered
        if ntp_nodes:
            self._ask_until_ready([PROGRAM, "wait-ntp", "--timeout-s", str(ASK_FOR_S), *ntp_nodes])
        silent = [s for s in plan.servers if s.ntp_at_start and s.name not in steered]
        for server in silent:
            self._wait_running(server.name, DAEMONS[server.daemon])
        if self.train:
            self._ready_train(self.train)
            return
        urls = [f"http://{server.name}:{APP_PORT}/readyz" for server in plan.servers]
        self._ask_until_ready([PROGRAM, "wait-http", "--timeout-s", str(ASK_FOR_S), *urls])

    def _ready_train(self, train: TrainNodes) -> None:
        """Every node has said that it runs; then the office gets its tickets."""
        errors: list[NodeError] = []

        def look() -> set[str]:
            errors.extend(self.check_alive())
            return self.dead

        late = train.wait_started(look)
        look()
        if errors:
            raise errors[0]
        if late is not None:
            tail = self.driver.log_tail(self.name, late)
            raise NodeError(f"{late} did not start", log_tail=tail)
        train.prepare()

    def _wait_running(self, node: str, daemon: Daemon) -> None:
        """For a daemon that answers nobody: the supervisor says that it runs."""
        until(
            lambda: daemon_running(self.handle, node, daemon),
            READY_WITHIN_S,
            f"{node}: {daemon.program} running",
        )

    def _ask_until_ready(self, question: list[str]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not (answer := self.handle.exec(OBSERVER, question)).ok:
            if dead := self.check_alive():
                raise dead[0]
            if time.monotonic() > deadline:
                raise self._late(json.loads(answer.stdout)["targets"])

    def _late(self, targets: Mapping[str, Mapping[str, str | None]]) -> NodeError:
        """The error for nodes that are not ready, with the first one's last words."""
        late = {urlsplit(t).hostname or t: found["error"] for t, found in targets.items()}
        late = {node: error for node, error in late.items() if error is not None}
        node = next(iter(late))
        others = f" (nor {', '.join(list(late)[1:])})" if len(late) > 1 else ""
        return NodeError(
            f"{node} was not ready within {READY_WITHIN_S:g} s: {late[node]}{others}",
            log_tail=self.driver.log_tail(self.name, node),
            hint=f"the whole log of a run is kept in its directory, under logs/{node}/",
        )

    # changing

    def adopt(self, plan: Plan) -> None:
        """Go by another plan from now on. Nothing is done to any node."""
        self.plan = plan
        self.topology = build(plan, self.name, self.handle.clock.anchor_ns)

    def renew(self, nodes: Collection[str], labels: Mapping[str, str]) -> None:
        """Make containers anew, as the plan has them; does not wait until they answer."""
        self._step(f"containers made anew: {' '.join(nodes)}")
        files = self.files()
        specs = [spec for spec in self.topology.nodes if spec.name in set(nodes)]

        def one(spec: NodeSpec) -> None:
            self.driver.remove(self.name, spec.name)
            self.driver.create(self.name, spec, files.get(spec.name, {}), labels)
            self._start(spec.name)

        each(specs, one)
        self.dead -= {spec.name for spec in specs}

    # watching

    def check_alive(self) -> list[NodeError]:
        """Look for nodes that died since the last look; each is told as an event, once."""
        with self._watching:
            fresh = [
                info
                for info in self.driver.containers(self.name)
                if info.exit_code is not None
                and info.status in ("exited", "dead")
                and info.kind != "buyers"
                and info.node not in self.dead
            ]
            self.dead.update(info.node for info in fresh)
        return [self._death(info) for info in fresh]

    def _death(self, info: ContainerInfo) -> NodeError:
        error = self.driver.death(info)
        self._emit(NodeDied(self.now_ns(), info.node, info.exit_code, error.log_tail))
        return error

    def check_observer(self) -> None:
        """Raises what keeps the observer's samples from being recorded, if anything does."""
        if self.observer_stream is not None:
            self.observer_stream.check()

    def living(self, nodes: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(node for node in nodes if node not in self.dead)

    def time_namespaces(self) -> dict[str, str]:
        """`on`, or `off: why`, for every node with a clock of its own."""
        nodes = [spec.name for spec in self.topology.nodes if spec.time_namespace]

        def ask(node: str) -> str:
            return self.handle.must(node, ["cat", TIMENS_FILE]).strip()

        return dict(zip(nodes, each(nodes, ask), strict=True))

    # taking down

    def down(self) -> None:
        try:
            self._step("removing the lab")
        finally:
            self.driver.remove_lab(self.name)

    def _step(self, text: str) -> None:
        self._emit(LabStep(self.now_ns(), text))


def silent(_event: Event) -> None:
    """An `Emit` for those who do not listen."""
