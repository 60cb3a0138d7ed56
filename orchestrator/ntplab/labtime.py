"""Lab time: the truth of a run. Imports nothing of ours.

CLOCK_MONOTONIC_RAW of the host, anchored once to UTC. Nothing steers it: not the host's own
NTP daemon, not a fault of the lab.
"""

from __future__ import annotations

import time
from dataclasses import dataclass


def raw_ns() -> int:
    """CLOCK_MONOTONIC_RAW of this machine in ns."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


@dataclass(frozen=True)
class LabClock:
    """Lab time is raw time plus `anchor_ns`, in UTC nanoseconds since the epoch."""

    anchor_ns: int

    @classmethod
    def anchored_now(cls) -> LabClock:
        """Anchor raw time to the host's UTC as it is at this moment."""
        before = raw_ns()
        utc_ns = time.time_ns()
        after = raw_ns()
        return cls(utc_ns - (before + after) // 2)

    def now_ns(self) -> int:
        return raw_ns() + self.anchor_ns
