"""When clocks count as settled: the worst of them within the limit, and staying there.

Below the phases of a lab and of a fleet; how far clocks are off is the caller's to see.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from .errors import FaultError
from .plan import SettlePlan
from .units import NS_PER_S, format_duration

SETTLED_FOR_NS = NS_PER_S
"""Every clock must stay within the limit this long: crossing zero is not settling."""


@dataclass(frozen=True)
class Worst:
    """The clock that is farthest off: by how much in ns, whose, at what lab time."""

    off_ns: int
    node: str
    lab_ns: int


def wait_settled(
    phase: str, settle: SettlePlan, look: Callable[[], Worst], rest: Callable[[], object], hint: str
) -> tuple[int, Worst]:
    """(since what lab time every clock has been within the limit, the last look).

    `rest` is waiting for something new to see. Raises `FaultError` at the timeout.
    """
    deadline = time.monotonic() + settle.timeout_ns / NS_PER_S
    since_ns: int | None = None
    while True:
        worst = look()
        if worst.off_ns > settle.limit_ns:
            since_ns = None
        elif since_ns is None:
            since_ns = worst.lab_ns
        elif worst.lab_ns - since_ns >= SETTLED_FOR_NS:
            return since_ns, worst
        if time.monotonic() > deadline:
            raise FaultError(
                f"phase {phase}: {worst.node} is still {format_duration(worst.off_ns)} from "
                f"true time {format_duration(settle.timeout_ns)} after NTP was switched on; "
                f"the limit is {format_duration(settle.limit_ns)}",
                hint=hint,
            )
        rest()
