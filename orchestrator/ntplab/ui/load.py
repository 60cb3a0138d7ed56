"""Buyers for a lab under one's hands: as many as asked for, until told to stop."""

from __future__ import annotations

import secrets

from ..buyers import Buyers
from ..collect.samples import Append
from ..lab import Lab
from ..phases import GRACE_S, LEAD_NS
from ..plan import LoadPlan, PhasePlan
from ..units import NS_PER_MS, NS_PER_S

RATE_HZ_MAX = 50.0
LASTS_NS = 1800 * NS_PER_S
"""Buyers that nobody sends home go after half an hour."""
GAP_MAX_NS = 2 * NS_PER_S
CONFIRM_MAX_NS = 1500 * NS_PER_MS


class HandLoad:
    """At most one load at a time: races for seats that no load of this lab had before."""

    def __init__(self, lab: Lab, append: Append) -> None:
        self._lab, self._append = lab, append
        self._seat = 1
        self._buyers: Buyers | None = None

    def plan(self, phase: str, rate_hz: float) -> PhasePlan:
        """The phase in which `rate_hz` races a second begin: two buyers each, up to 2 s apart."""
        seats = int(rate_hz * LASTS_NS / NS_PER_S * 2) + 100
        first, self._seat = self._seat, self._seat + seats
        races = LoadPlan(
            kind="races", rate_hz=rate_hz, arrival="poisson", first_seat=first, seats=seats,
            confirm_min_ns=500 * NS_PER_MS, confirm_max_ns=CONFIRM_MAX_NS,
            gap_min_ns=0, gap_max_ns=GAP_MAX_NS,
        )  # fmt: skip
        return PhasePlan(
            name=phase, duration_ns=LASTS_NS, ntp="keep", method="daemon", switched=(), steered=(),
            clocks="keep", set_clocks=(), settle=None, seed=secrets.randbits(48), load=(races,),
            faults=(),
        )  # fmt: skip

    def begin(self, phase: PhasePlan) -> int:
        """Hand the load to the buyers, who are started if they are not there yet; lab time of
        the first arrival."""
        lab = self._lab
        if self._buyers is None:
            buyers = Buyers(lab.driver, lab.name, lab.handle.clock.anchor_ns)
            buyers.remove()  # those of a page that was killed
            buyers.start({})
            buyers.wait_ready()
            self._buyers = buyers
        start_ns = lab.now_ns() + LEAD_NS
        self._buyers.play(phase, lab.plan, start_ns, self._append)
        return start_ns

    def end(self) -> int:
        """Nobody new comes; returns when everybody who was sent has an answer that is recorded.

        How many were sent. Raises `NodeError` when the buyers died, or do not come to an end.
        """
        if self._buyers is None:
            return 0
        try:
            self._buyers.end()
            latest_ns = CONFIRM_MAX_NS + 2 * self._lab.plan.request_timeout_ns
            feed = self._buyers.wait_done(latest_ns / NS_PER_S + GRACE_S)
        except BaseException:
            self.close()
            raise
        return feed.arrivals - feed.unsent

    def check(self) -> None:
        """Raises `NodeError` when the buyers have died."""
        if self._buyers is not None:
            self._buyers.check()

    def close(self) -> None:
        """Away with the buyers; the next load gets new ones."""
        buyers, self._buyers = self._buyers, None
        if buyers is not None:
            buyers.remove()
