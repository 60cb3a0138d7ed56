"""Customers of a train lab under one's hands: each client asks for tickets until told to stop."""

from __future__ import annotations

import secrets

from ..faults.handle import LabHandle
from ..plan import FaultPlan, PhasePlan
from ..train_nodes import TrainNodes
from ..train_plan import CustomersPlan, WishPlan
from ..units import NS_PER_S
from .load import LASTS_NS

ANY = WishPlan(None, None, None)


class CustomersLoad:
    """As `HandLoad`, for the other system: the clients themselves are the load."""

    def __init__(self, lab: LabHandle, nodes: TrainNodes, dead: set[str]) -> None:
        self._lab, self._nodes, self._dead = lab, nodes, dead
        self._phase: PhasePlan | None = None

    @property
    def office(self) -> str:
        return self._nodes.plan.office

    def plan(self, phase: str, rate_hz: float) -> PhasePlan:
        """The phase in which all clients together ask `rate_hz` times a second, at most."""
        think_ns = int(len(self._nodes.plan.clients) / rate_hz * NS_PER_S)
        return PhasePlan(
            name=phase, duration_ns=LASTS_NS, ntp="keep", method="daemon", switched=(), steered=(),
            clocks="keep", set_clocks=(), settle=None, seed=secrets.randbits(48), load=(),
            faults=(), customers=CustomersPlan(think_ns, None, (ANY,)),
        )  # fmt: skip

    def begin(self, phase: PhasePlan) -> int:
        """Have every client begin; lab time of that."""
        assert phase.customers is not None
        self._nodes.record(phase.name, "begin", self._dead)
        start_ns = self._lab.clock.now_ns()
        self._phase = phase
        self._nodes.start_load(phase, phase.customers, self._dead)
        return start_ns

    def end(self) -> None:
        """Nobody asks any more; returns when every request has ended, and is recorded."""
        phase, self._phase = self._phase, None
        if phase is not None:
            self._nodes.stop_load(self._dead)
            self._nodes.wait_idle(self._dead)
            self._nodes.record(phase.name, "end", self._dead)

    def snapshot(self) -> str:
        """Take one of the whole system; in words."""
        return self._nodes.snapshot(
            FaultPlan(at_ns=0, node=self._nodes.plan.office, kind="snapshot", action="take")
        )

    def check(self) -> None:
        """Raises what keeps the nodes' facts from being recorded, if anything does."""
        self._nodes.feed.check()

    def close(self) -> None:
        """The clients stay: they are the lab's."""
