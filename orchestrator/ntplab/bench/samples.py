"""The clocks of a benchmark's lab as the observer samples them, and figures of them."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence

from ..collect.streams import Document
from ..units import NS_PER_S

Sample = tuple[int, int]
"""lab time and divergence, ns"""


class ClockSamples:
    """Keeps every sample of every clock. `append` is what a `Lab` hands its evidence to."""

    def __init__(self) -> None:
        self._samples: dict[str, list[Sample]] = defaultdict(list)
        self._lock = threading.Lock()

    def append(self, table: str, rows: Iterable[Document]) -> None:
        if table == "clock":
            with self._lock:
                for row in rows:
                    self._samples[row["node"]].append((row["lab_ns"], row["divergence_ns"]))

    def window(
        self, nodes: Collection[str], from_ns: int, to_ns: int | None = None
    ) -> dict[str, list[Sample]]:
        """The samples of `nodes` taken in [from, to]."""
        with self._lock:
            return {
                node: [s for s in self._samples[node] if from_ns <= s[0] <= (to_ns or s[0])]
                for node in nodes
            }


def seconds_until_within(
    samples: Iterable[Sequence[Sample]], switched_ns: int, limit_ns: int
) -> float | None:
    """Seconds until the slowest of the clocks was within the limit for good.

    For good: in every later sample too. None when one is not yet, or has no samples.
    """
    slowest_ns = switched_ns
    for clock in samples:
        since_ns = _within_since_ns(clock, limit_ns)
        if since_ns is None:
            return None
        slowest_ns = max(slowest_ns, since_ns)
    return (slowest_ns - switched_ns) / NS_PER_S


def _within_since_ns(clock: Sequence[Sample], limit_ns: int) -> int | None:
    since_ns: int | None = None
    for lab_ns, divergence_ns in clock:
        if abs(divergence_ns) > limit_ns:
            since_ns = None
        elif since_ns is None:
            since_ns = lab_ns
    return since_ns


def worst_p99_us(samples: Iterable[Sequence[Sample]]) -> float:
    """The 99th percentile of |divergence| of the clock where it is largest, in microseconds."""
    return max(_p99_ns(clock) for clock in samples) / 1000


def _p99_ns(clock: Sequence[Sample]) -> int:
    sizes = sorted(abs(divergence_ns) for _, divergence_ns in clock)
    return sizes[math.ceil(0.99 * len(sizes)) - 1]
