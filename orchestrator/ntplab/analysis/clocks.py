"""The observer's samples of every clock, and what a clock showed between two of them."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import pyarrow as pa
import pyarrow.compute as pc

from ..evidence import Evidence

GAP_NS_MAX = 1_000_000_000
"""Between samples further apart than this, a clock's divergence counts as not known."""


def _empty() -> array[int]:
    return array("q")


@dataclass(frozen=True, slots=True)
class Theta:
    """A clock's divergence at one instant, known to within `error_ns`."""

    divergence_ns: int
    error_ns: int


@dataclass(frozen=True)
class ClockSeries:
    """One node's samples, ascending in lab time: 16 bytes each."""

    lab_ns: array[int] = field(default_factory=_empty)
    divergence_ns: array[int] = field(default_factory=_empty)

    def window(self, start_ns: int, end_ns: int) -> ClockSeries:
        """The samples of [start, end]."""
        low, high = bisect_left(self.lab_ns, start_ns), bisect_right(self.lab_ns, end_ns)
        return ClockSeries(self.lab_ns[low:high], self.divergence_ns[low:high])

    def at(self, lab_ns: int, sample_error_ns: int) -> Theta | None:
        """The divergence at `lab_ns`, linear between the samples around it; None in a gap.

        The clock may have jumped anywhere between the two samples, so the error grows by
        how much they differ.
        """
        right = bisect_left(self.lab_ns, lab_ns)
        near = [i for i in (right - 1, right) if 0 <= i < len(self.lab_ns)]
        if not near or any(abs(self.lab_ns[i] - lab_ns) > GAP_NS_MAX for i in near):
            return None
        if len(near) == 1:
            return Theta(self.divergence_ns[near[0]], sample_error_ns)
        (t0, t1), (d0, d1) = (
            (values[right - 1], values[right]) for values in (self.lab_ns, self.divergence_ns)
        )
        between = d0 + (d1 - d0) * (lab_ns - t0) // (t1 - t0)
        return Theta(between, sample_error_ns + abs(d1 - d0))

    def last_before(self, lab_ns: int) -> int | None:
        """The divergence in the newest sample not after `lab_ns`; None if too old or absent."""
        index = bisect_right(self.lab_ns, lab_ns) - 1
        if index < 0 or lab_ns - self.lab_ns[index] > GAP_NS_MAX:
            return None
        return self.divergence_ns[index]

    def __len__(self) -> int:
        return len(self.lab_ns)


Clocks = Mapping[str, ClockSeries]


def load_clocks(evidence: Evidence) -> dict[str, ClockSeries]:
    """Every node's samples. Reads the table once, in batches."""
    series: dict[str, ClockSeries] = {}
    for batch in evidence.batches("clock", ["lab_ns", "node", "divergence_ns"]):
        whole = batch.filter(pc.and_(pc.is_valid(batch["lab_ns"]), pc.is_valid(batch["node"])))
        whole = whole.filter(pc.is_valid(whole["divergence_ns"]))
        for node in pc.unique(whole["node"]).to_pylist():
            of_node = whole.filter(pc.equal(whole["node"], node))
            into = series.setdefault(node, ClockSeries())
            _extend(into.lab_ns, of_node["lab_ns"])
            _extend(into.divergence_ns, of_node["divergence_ns"])
    return {node: _ascending(series[node]) for node in sorted(series)}


def quantile(values: pa.Array, share: float) -> int | None:
    """The smallest value that at least `share` of the values do not exceed; None of nothing."""
    if len(values) == 0:
        return None
    return int(pc.quantile(values, q=share, interpolation="higher")[0].as_py())


def to_arrow(values: array[int]) -> pa.Array:
    """The same memory as an Arrow array of int64."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def last_sample_ns(clocks: Clocks) -> int | None:
    """Lab time of the newest sample of any clock."""
    return max((series.lab_ns[-1] for series in clocks.values() if len(series)), default=None)


def gaps(times_ns: Sequence[int], start_ns: int, end_ns: int, longest_ns: int) -> tuple[int, int]:
    """(how many waits between samples were longer than `longest_ns`, the longest wait)."""
    instants = [start_ns, *times_ns, end_ns]
    waits = [later - earlier for earlier, later in pairwise(instants)]
    return sum(wait > longest_ns for wait in waits), max(waits)


def _extend(into: array[int], column: pa.Array) -> None:
    # `filter` makes a fresh array, but one of everything may share its parent's memory.
    buffer = memoryview(column.buffers()[1])
    start = column.offset * into.itemsize
    into.frombytes(buffer[start : start + len(column) * into.itemsize])


def _ascending(series: ClockSeries) -> ClockSeries:
    times = to_arrow(series.lab_ns)
    if len(times) < 2 or pc.all(pc.less_equal(times[:-1], times[1:])).as_py():
        return series
    order = sorted(range(len(series)), key=series.lab_ns.__getitem__)
    return ClockSeries(
        array("q", (series.lab_ns[i] for i in order)),
        array("q", (series.divergence_ns[i] for i in order)),
    )
