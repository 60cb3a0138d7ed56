"""This machine's clocks, read as one instant. The wall clock may be wrong, and may step."""

from __future__ import annotations

import time

from .reading import Reading

PAIR_SPREAD_NS_MAX = 20_000
PAIR_TRIES_MAX = 4


def read() -> Reading:
    """The other clocks between two raw readings that lie close together.

    A process that is preempted between two readings would pair times that are milliseconds
    apart; then they are read again, and after some tries the last ones are taken.
    """
    for _ in range(PAIR_TRIES_MAX):
        before_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
        wall_ns, monotonic_ns = time.time_ns(), time.monotonic_ns()
        spread_ns = time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) - before_ns
        if spread_ns <= PAIR_SPREAD_NS_MAX:
            break
    return Reading(monotonic_ns, wall_ns, before_ns + spread_ns // 2)
