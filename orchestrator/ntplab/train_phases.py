"""One phase of a run of the train system: what differs from the concert's. After phases.py."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from .collect.databases import RawClocks
from .collect.samples import Append
from .events import Emit, FaultInForce, NodeStarted, PhaseMeasuring
from .faults import Struck, strike, switch_ntp
from .faults.handle import each
from .lab import Lab
from .phases import LEAD_NS, Phases
from .plan import FaultPlan, PhasePlan
from .train_nodes import TrainNodes


class TrainPhases(Phases):
    """Runs phases of a lab with a train system in it."""

    def __init__(
        self, lab: Lab, nodes: TrainNodes, append: Append, emit: Emit, clocks: RawClocks
    ) -> None:
        super().__init__(lab, append, emit)
        self.nodes = nodes
        nodes.feed.place(clocks)

    def measure(self, phase: PhasePlan) -> None:
        """Clients ask, faults strike when due; then every request may end, well or badly."""
        lab, nodes = self.lab, self.nodes
        lab.check_alive()
        nodes.record(phase.name, "begin", lab.dead)
        start_ns = lab.now_ns() + LEAD_NS
        self._wait_until(start_ns)
        self.emit(PhaseMeasuring(start_ns, phase.name))
        if phase.customers:
            nodes.start_load(phase, phase.customers, lab.dead)
        for at_ns, faults in together(phase.faults):
            self._wait_until(start_ns + at_ns)
            each(faults, lambda fault: self._strike(phase, fault))
        self._wait_until(start_ns + phase.duration_ns)
        lab.check_alive()
        if phase.customers:
            nodes.stop_load(lab.dead)
        nodes.wait_idle(lab.dead)
        nodes.record(phase.name, "end", lab.dead)

    def collect(self, phase: PhasePlan) -> None:
        """Facts come by themselves."""

    def _strike(self, phase: PhasePlan, fault: FaultPlan) -> None:
        asked_ns = self.lab.now_ns()
        struck = self._do(phase, fault)
        seen_ns = self.lab.now_ns()
        self.emit(
            FaultInForce(
                seen_ns, fault.node, fault.kind, struck.value, asked_ns, seen_ns,
                struck.divergence_ns, phase.name, struck.oscillator,
            )
        )  # fmt: skip

    def _do(self, phase: PhasePlan, fault: FaultPlan) -> Struck:
        nodes, node = self.nodes, fault.node
        match fault.kind:
            case "link" if fault.link is not None:
                nodes.bend([node], fault.link)
                return Struck(fault.link.words())
            case "partition" | "heal":
                return Struck(nodes.partition(node, on=fault.kind == "heal"))
            case "snapshot":
                return Struck(nodes.snapshot(fault))
            case "restart":
                return self._restart(phase, node)
        return strike(self.lab.handle, fault)

    def _restart(self, phase: PhasePlan, node: str) -> Struck:
        """The machine begins as it did at first, so its NTP has to be put as the phase has it."""
        asked_ns = self.lab.now_ns()
        self.lab.check_alive()
        words = self.nodes.restart(node)
        self.lab.dead.discard(node)
        self.emit(NodeStarted(self.lab.now_ns(), node, asked_ns))
        state = "on" if node in phase.steered else "off"
        switch_ntp(self.lab.handle, node, state, "daemon")
        return Struck(words)

    def _look_for_dead(self) -> None:
        super()._look_for_dead()
        self.nodes.feed.check()


def together(faults: tuple[FaultPlan, ...]) -> Iterator[tuple[int, list[FaultPlan]]]:
    """Faults of one kind that are due at one time strike at once."""
    for (at_ns, _), group in groupby(faults, key=lambda fault: (fault.at_ns, fault.kind)):
        yield at_ns, list(group)
