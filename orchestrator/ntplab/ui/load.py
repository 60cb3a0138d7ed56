"""Buyers for a lab under one's hands: as many as asked for, until told to stop."""

from __future__ import annotations

import secrets

from ..collect.samples import Append, BuyersFeed
from ..collect.streams import Stream
from ..lab import Lab
from ..phases import LEAD_NS
from ..plan import LoadPlan, PhasePlan
from ..units import NS_PER_MS, NS_PER_S

RATE_HZ_MAX = 50.0
LASTS_NS = 1800 * NS_PER_S
"""Buyers that nobody sends home go after half an hour."""
GAP_MAX_NS = 2 * NS_PER_S
LOG_ENDS_WITHIN_S = 60
"""Their log ends when they do; on a busy machine its last lines take a while to come."""
LAST_ANSWERS_S = 3
"""Buyers told to go may wait so long for answers to what they asked."""


class HandLoad:
    """At most one load at a time: races for seats that no load of this lab had before."""

    def __init__(self, lab: Lab, append: Append) -> None:
        self._lab, self._append = lab, append
        self._seat = 1
        self._node: str | None = None
        self._stream: Stream | None = None

    def plan(self, phase: str, rate_hz: float) -> PhasePlan:
        """The phase in which `rate_hz` races a second begin: two buyers each, up to 2 s apart."""
        seats = int(rate_hz * LASTS_NS / NS_PER_S * 2) + 100
        first, self._seat = self._seat, self._seat + seats
        races = LoadPlan(
            kind="races", rate_hz=rate_hz, arrival="poisson", first_seat=first, seats=seats,
            confirm_min_ns=500 * NS_PER_MS, confirm_max_ns=1500 * NS_PER_MS,
            gap_min_ns=0, gap_max_ns=GAP_MAX_NS,
        )  # fmt: skip
        return PhasePlan(
            name=phase, duration_ns=LASTS_NS, ntp="keep", method="daemon", switched=(), steered=(),
            clocks="keep", set_clocks=(), settle=None, seed=secrets.randbits(48), load=(races,),
            faults=(),
        )  # fmt: skip

    def begin(self, phase: PhasePlan) -> int:
        """Start the buyers; lab time of the first arrival."""
        start_ns = self._lab.now_ns() + LEAD_NS
        feed = BuyersFeed(self._append)
        self._stream = self._lab.start_buyers(phase, start_ns, feed, {})
        self._node = self._stream.node
        return start_ns

    def end(self) -> None:
        """Send the buyers home; what they were told until then is recorded."""
        if self._node is None or self._stream is None:
            return
        self._lab.driver.stop(self._lab.name, self._node, LAST_ANSWERS_S)
        self._stream.join(LOG_ENDS_WITHIN_S)
        self._lab.driver.remove(self._lab.name, self._node)
        self._node = self._stream = None
