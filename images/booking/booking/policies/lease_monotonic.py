"""Policy `lease-monotonic`: policy `lease`, its end kept as a reading of the monotonic clock.

No step of a wall clock can hurt a monotonic one, so this looks like the cure. But a monotonic
clock counts from when its own machine was started. The end that A's server wrote into the shared
database means nothing on B's server, which compares it with its own reading: with U a machine's
uptime, both are confirmed exactly when

    U_B - U_A > what was left of A's lease when B took it, and A confirms after that

NTP cannot help: no daemon steers an uptime. Where B's machine was started later than A's, the
same mistake keeps a seat locked for as long as the uptimes differ.
"""

from __future__ import annotations

from booking import ledger
from booking.clocks import Reading
from booking.policies.lease import LeasePolicy


class LeaseMonotonic(LeasePolicy):
    """The lease policy by CLOCK_MONOTONIC_RAW of whichever server looks."""

    async def _judged_ns(self, connection: ledger.Connection, now: Reading) -> int:
        return now.raw_ns


POLICY = LeaseMonotonic
