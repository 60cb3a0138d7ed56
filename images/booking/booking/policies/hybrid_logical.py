"""Policy `hybrid-logical`: timestamp-order, stamped by a hybrid logical clock.

A stamp is (l, c): l follows the wall clock but never goes back and is never behind any stamp that
this server has seen, c counts where l stands still (S. Kulkarni et al., "Logical Physical Clocks
and Consistent Snapshots in Globally Distributed Databases", 2014). δ is counted on the monotonic
clock, as in timestamp-order.

A server that has A's claim stamps above it, whatever its wall clock says. So of A and B, claimed
in this order on two servers, both are confirmed only when the claims crossed on the wire
(t_B - t_A < lag) and whichever is higher was decided before the lower one came:

- B lower: δ - lag < t_B - t_A, and both together need δ < 2 lag
- A lower: lag > δ + t_B - t_A, which needs δ < lag

With δ of at least twice the lag it never double-books, with NTP or without. What wrong clocks
still do is decide who wins: l is pulled up to the fastest clock around.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from booking.clocks import Reading
from booking.policies.timestamp_order import Params, TimestampOrder
from booking.policy import Claim, Order, Surroundings

_HIGHEST = "SELECT stamp_ns, logical FROM claims ORDER BY stamp_ns DESC, logical DESC LIMIT 1"


@dataclass(frozen=True, order=True, slots=True)
class Hybrid:
    """A reading of a hybrid logical clock; readings compare by l, then by c."""

    l_ns: int
    c: int


def tick(last: Hybrid, wall_ns: int) -> Hybrid:
    """The stamp of an event here: above `last`, and at the wall clock where that is ahead."""
    return Hybrid(wall_ns, 0) if wall_ns > last.l_ns else Hybrid(last.l_ns, last.c + 1)


def merge(last: Hybrid, seen: Hybrid, wall_ns: int) -> Hybrid:
    """The clock after a stamp of another server was seen: above both."""
    return tick(max(last, seen), wall_ns)


def stamp_of(claim: Claim) -> Hybrid:
    """The stamp that a claim carries."""
    return Hybrid(claim.stamp_ns, claim.logical)


class HybridLogical(TimestampOrder):
    """Timestamp-order with another clock; whatever is learned moves it."""

    params_type = Params

    def __init__(self, params: Any, around: Surroundings) -> None:
        super().__init__(params, around)
        self._last = Hybrid(0, 0)

    async def start(self) -> None:
        await super().start()
        if row := await self.around.pool.fetchrow(_HIGHEST):
            self._last = max(self._last, Hybrid(row["stamp_ns"], row["logical"]))

    def _learn(self, claim: Claim) -> None:
        super()._learn(claim)
        if claim.origin != self.around.server:
            self._last = merge(self._last, stamp_of(claim), self.around.clock().wall_ns)

    def _stamp(self, order: Order, now: Reading) -> Claim:
        self._last = tick(self._last, now.wall_ns)
        return replace(
            super()._stamp(order, now),
            stamp_ns=self._last.l_ns,
            logical=self._last.c,
            claimed_wall_ns=now.wall_ns,
        )


POLICY = HybridLogical
