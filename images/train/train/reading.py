"""What a node's clocks show when an event reaches it. The core never reads a clock itself."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reading:
    """Both clocks at one instant, in ns: since an arbitrary start, and since 1970 (UTC)."""

    monotonic_ns: int
    wall_ns: int
