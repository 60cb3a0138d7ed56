"""Policy `lease-db-time`: policy `lease`, granted and judged by the database's clock.

One clock cannot disagree with itself, so the servers' clocks play no part. But it can go back. A
lease is taken over by B when the database's clock is past its end; A can be confirmed after that
only if the clock then shows a time before that end again. With θ the divergence of the database's
clock, of A and B granted in this order, both are confirmed exactly when

    θ(t_B) > left, left = what true time left of A's lease when B came, and
    A confirms after B came, at t_C, when θ(t_C) is that far below θ(t_B) again that the lease lives

so the clock must step (or run) forward by more than what is left and then back, or back alone by
more than what has passed since the lease ran out. Forward alone takes a seat from a buyer who was
promised it, and sells it once.
"""

from __future__ import annotations

from booking import ledger
from booking.clocks import Reading
from booking.policies.lease import LeasePolicy

_NOW_US = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
US = 1_000


class LeaseDbTime(LeasePolicy):
    """The lease policy, asking PostgreSQL for the time while it holds the seat's row."""

    async def _judged_ns(self, connection: ledger.Connection, now: Reading) -> int:
        now_us: int = await connection.fetchval(_NOW_US)
        return now_us * US


POLICY = LeaseDbTime
