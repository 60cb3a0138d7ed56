"""The two clocks of this server, read as one instant. Imports nothing of the service.

The wall clock is the one under test: virtual in a lab, steered by chronyd, free to be wrong and
to step. CLOCK_MONOTONIC_RAW is what the lab judges by afterwards; nothing steers it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

NS = 1_000_000_000

PAIR_SPREAD_NS_MAX = 20_000
PAIR_TRIES_MAX = 4


@dataclass(frozen=True, slots=True)
class Reading:
    """Both clocks at one instant: nanoseconds since the epoch, and since this machine's start."""

    wall_ns: int
    raw_ns: int


Clock = Callable[[], Reading]


def raw_now_ns() -> int:
    """CLOCK_MONOTONIC_RAW of this server, its time namespace's offset included."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def read() -> Reading:
    """Read the wall clock between two raw readings that lie close together.

    A process that is preempted between two clock readings pairs a wall time with a raw time that
    is milliseconds off; then the pair is read again, and after some tries the last one is taken.
    """
    for _ in range(PAIR_TRIES_MAX):
        before_ns = raw_now_ns()
        wall_ns = time.time_ns()
        spread_ns = raw_now_ns() - before_ns
        if spread_ns <= PAIR_SPREAD_NS_MAX:
            break
    return Reading(wall_ns, before_ns + spread_ns // 2)


def iso(wall_ns: int) -> str:
    """A wall time as RFC 3339 in UTC with all nine digits: `2026-11-22T12:00:00.000000005Z`."""
    seconds, rest_ns = divmod(wall_ns, NS)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{rest_ns:09d}Z"
