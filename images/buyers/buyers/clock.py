"""Lab time in the buyers' container, whose clock is not virtual."""

from __future__ import annotations

import time
from dataclasses import dataclass

ANCHOR_VARIABLE = "NTPLAB_ANCHOR_NS"


@dataclass(frozen=True)
class LabClock:
    """CLOCK_MONOTONIC_RAW plus the anchor the orchestrator chose: UTC ns since the epoch."""

    anchor_ns: int

    def now_ns(self) -> int:
        return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) + self.anchor_ns
