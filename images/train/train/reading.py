"""What a node's clocks show when an event reaches it. The core never reads a clock itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """All clocks at one instant, in ns: since an arbitrary start, and since 1970 (UTC).

    `raw_ns` is CLOCK_MONOTONIC_RAW, for the log alone: the lab judges by it, no rule looks at it.
    """

    monotonic_ns: int
    wall_ns: int
    raw_ns: int = 0
