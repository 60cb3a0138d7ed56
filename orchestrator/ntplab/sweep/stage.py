"""The lab that a sweep runs in: made once, then changed from point to point as little as may be.

Between two points everything that the first may have left behind is put back: daemons and
networks as a fresh lab has them, data gone, clocks where the plan begins. No NTP daemon needs a new
container for that: none keeps on disk what it learned (no drift file, or one that its service
removes at every start), and what it left on the clock page goes with the clock. `changes.py` says
what else has to be done.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path

from ..buyers import Buyers
from ..collect.databases import DATABASE_NODE, empty_databases
from ..collect.files import collect_logs
from ..collect.samples import Append
from ..driver.base import Driver
from ..errors import FaultError, NodeError
from ..events import Emit, LabStep
from ..evidence import Manifest
from ..faults.clocks import place_clocks
from ..faults.handle import LabHandle, each
from ..faults.ntp import TIME_NETWORK, daemon_of, service_path
from ..lab import Lab
from ..labtime import LabClock
from ..plan import Plan
from ..provenance import manifest
from .changes import DAEMON_FILES, Changes, Rendered, compare, rendered

DOWN_WITHIN_MS = 10_000
RECONFIGURE = ("python3", "-m", "booking.reconfigure")


class Stage:
    """At most one lab at a time. `prepare` makes it ready for a plan, `clear` takes it away."""

    def __init__(
        self, driver: Driver, name: str, clock: LabClock, emit: Emit, append: Append, logs: Path,
        labels: Mapping[str, str],
    ) -> None:  # fmt: skip
        self._driver, self._name, self._clock = driver, name, clock
        self._emit, self._append, self._logs, self._labels = emit, append, logs, labels
        self._lab: Lab | None = None
        self._buyers: Buyers | None = None
        self._now: Rendered | None = None
        self._plan: Plan | None = None
        self._made = 0
        self._helper = ThreadPoolExecutor(1)
        self._tidying: Future[None] | None = None
        self._provenance: Manifest | None = None

    @property
    def lab(self) -> Lab:
        assert self._lab is not None, "prepare comes first"
        return self._lab

    @property
    def buyers(self) -> Buyers:
        assert self._buyers is not None, "prepare comes first"
        return self._buyers

    @property
    def provenance(self) -> Manifest:
        """The manifest of the lab as it is; the parts about a run are those of its first plan."""
        assert self._provenance is not None, "prepare comes first"
        return self._provenance

    def prepare(self, plan: Plan) -> Changes:
        """A lab in which `plan` can begin, whatever was before; what had to be done for it.

        Raises `NtplabError` when it cannot be had; then `clear` comes next.
        """
        wanted = rendered(plan)
        changes = Changes(lab="the first point")
        if self._lab is not None and self._now is not None and self._plan is not None:
            changes = compare(self._now, wanted, self._spoiled(self._plan))
        if changes.lab:
            self.clear()
            self._bring_up(plan)
        else:
            self._change(plan, changes, wanted)
        self._plan, self._now = plan, wanted
        return changes

    def tidy(self) -> None:
        """Begin to put back what the point that is over left behind: NTP and data. It goes on while
        that point is judged; the next `prepare` waits for it, and raises what went wrong."""
        assert self._plan is not None, "prepare comes first"
        self._tidying = self._helper.submit(self._put_back, self._plan)

    def clear(self) -> None:
        """Bring the logs home and remove the lab, if there is one."""
        if self._tidying is not None:
            wait([self._tidying])
        lab, self._lab = self._lab, None
        self._buyers = self._now = self._plan = self._provenance = self._tidying = None
        if lab is not None:
            try:
                self._keep_logs(lab)
            finally:
                lab.down()

    # made anew

    def _bring_up(self, plan: Plan) -> None:
        self._made += 1
        name = self._name if self._made == 1 else f"{self._name}-{self._made}"
        lab = self._lab = Lab(self._driver, plan, name, self._clock, self._emit, self._append)
        buyers = self._buyers = Buyers(self._driver, name, self._clock.anchor_ns)
        lab.up(self._labels, beside=lambda: buyers.start(self._labels))
        buyers.wait_ready()
        self._look_around(plan)

    def _look_around(self, plan: Plan) -> None:
        lab = self.lab
        namespaces = lab.time_namespaces()
        self._provenance = manifest(lab, self._labels_run(), {}, namespaces)

    def _labels_run(self) -> str:
        return next(iter(self._labels.values()), "")

    def _keep_logs(self, lab: Lab) -> None:
        nodes = [info.node for info in lab.driver.containers(lab.name)]
        for words in collect_logs(lab.driver, lab.name, nodes, self._logs / str(self._made)):
            self._emit(LabStep(lab.now_ns(), f"log not collected: {words}"))

    # changed in place

    def _spoiled(self, plan: Plan) -> set[str]:
        """Nodes that a point left dead, or in which it ran who knows what."""
        self.lab.check_alive()
        ran = {f.node for phase in plan.phases for f in phase.faults if f.kind == "exec"}
        return set(self.lab.dead) | ran

    def _change(self, plan: Plan, changes: Changes, wanted: Rendered) -> None:
        assert self._plan is not None
        lab = self.lab
        self._tidied()
        if uses_ntp(plan) and not uses_ntp(self._plan):
            each(steerable(plan), self._rest)
        lab.adopt(plan)
        for node in changes.daemons:
            files = wanted.files[node]
            read = {path: files[path] for path in files if path in DAEMON_FILES}
            lab.driver.put_files(lab.name, node, read)
        if changes.nodes:
            lab.renew(changes.nodes, self._labels)
        self._again([s.name for s in plan.time_servers if s.name in changes.daemons])
        each(changes.apps, lambda node: reconfigure(lab.handle, node, plan))
        at_start = begins_with_ntp(plan)
        if at_start:
            place_clocks(
                lab.handle,
                {name: (clock.offset_ns, clock.drift_ppm) for name, clock in plan.clocks.items()},
            )
            each(at_start, lambda node: self._supervise(node, "-wu", "-u"))
        if changes.nodes:
            lab.wait_ready()
            self._look_around(plan)

    def _tidied(self) -> None:
        """What `tidy` began is done."""
        if self._tidying is None:
            self.tidy()
        tidying, self._tidying = self._tidying, None
        assert tidying is not None
        tidying.result()

    def _put_back(self, plan: Plan) -> None:
        at_rest = steerable(plan) if uses_ntp(plan) else []
        rest: list[Callable[[], None]] = [partial(self._rest, node) for node in at_rest]
        each([*rest, self._empty], lambda do: do())

    def _empty(self) -> None:
        if DATABASE_NODE not in self.lab.dead:  # else the lab is made anew
            empty_databases(self.lab.driver, self.lab.name)

    def _rest(self, node: str) -> None:
        """NTP of a node as before any phase: on its network, its daemon down."""
        if node in self.lab.dead:
            return
        lab = self.lab
        lab.driver.connect(lab.name, TIME_NETWORK, node)
        self._supervise(node, "-wD", "-d")

    def _again(self, nodes: list[str]) -> None:
        each(nodes, lambda node: self._supervise(node, "-wR", "-r"))

    def _supervise(self, node: str, wait: str, order: str) -> None:
        daemon = daemon_of(self.lab.handle, node)
        argv = ["s6-svc", wait, "-T", str(DOWN_WITHIN_MS), order, service_path(daemon)]
        result = self.lab.handle.exec(node, argv)
        if not result.ok:
            raise FaultError(f"{node}: {daemon.program} does not obey: {' '.join(argv)}")


def reconfigure(handle: LabHandle, node: str, plan: Plan) -> None:
    """Have the app of `node` decide by the policy of `plan` from now on, without a restart."""
    change = json.dumps({"policy": plan.policy, "params": plan.policy_params})
    result = handle.exec(node, [*RECONFIGURE, change])
    if not result.ok:
        raise NodeError(
            f"{node} does not take policy {plan.policy}",
            log_tail=(result.stdout + result.stderr).strip().splitlines()[-5:],
        )


def steerable(plan: Plan) -> list[str]:
    """Every node with an NTP daemon that phases may switch."""
    names = [server.name for server in plan.servers]
    return [*names, plan.steered_database.name] if plan.steered_database else names


def begins_with_ntp(plan: Plan) -> list[str]:
    """The nodes whose daemon runs before the first phase."""
    names = [server.name for server in plan.servers if server.ntp_at_start]
    database = plan.database
    return [*names, database.name] if database and database.ntp_at_start else names


def uses_ntp(plan: Plan) -> bool:
    """Whether any daemon of it can ever have run."""
    switched = any(f.kind == "ntp-on" for phase in plan.phases for f in phase.faults)
    return switched or bool(begins_with_ntp(plan)) or any(phase.steered for phase in plan.phases)
