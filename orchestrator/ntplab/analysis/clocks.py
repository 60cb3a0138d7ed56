"""The observer's samples of every clock, and what a clock showed between two of them."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from ..evidence import Evidence

GAP_NS_MAX = 1_000_000_000
"""Between samples further apart than this, a clock's divergence counts as not known."""


Ints: TypeAlias = "array[int] | memoryview[int]"
"""int64 values in one piece of memory; a memoryview where it belongs to somebody else"""


def _empty() -> Ints:
    return array("q")


@dataclass(frozen=True, slots=True)
class Theta:
    """A clock's divergence at one instant, known to within `error_ns`."""

    divergence_ns: int
    error_ns: int


@dataclass(frozen=True)
class ClockSeries:
    """One node's samples, ascending in lab time: 16 bytes each."""

    lab_ns: Ints = field(default_factory=_empty)
    divergence_ns: Ints = field(default_factory=_empty)
    error_ns: Ints = field(default_factory=_empty)
    """each sample's own error; empty where all have the same"""

    def window(self, start_ns: int, end_ns: int) -> ClockSeries:
        """The samples of [start, end]: a view, nothing is copied."""
        low, high = bisect_left(self.lab_ns, start_ns), bisect_right(self.lab_ns, end_ns)
        columns = (self.lab_ns, self.divergence_ns, self.error_ns)
        return ClockSeries(*(memoryview(column)[low:high] for column in columns))

    def at(self, lab_ns: int, sample_error_ns: int) -> Theta | None:
        """The divergence at `lab_ns`, linear between the samples around it; None in a gap.

        The clock may have jumped anywhere between the two samples, so the error grows by
        how much they differ.
        """
        right = bisect_left(self.lab_ns, lab_ns)
        near = [i for i in (right - 1, right) if 0 <= i < len(self.lab_ns)]
        if not near or any(abs(self.lab_ns[i] - lab_ns) > GAP_NS_MAX for i in near):
            return None
        if len(self.error_ns):
            sample_error_ns = max(self.error_ns[i] for i in near)
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


def load_clocks(
    evidence: Evidence, lab_errors_ns: Mapping[str, int] | None = None
) -> dict[str, ClockSeries]:
    """Every node's samples, 16 bytes each.

    `lab_errors_ns`: where samples have errors of their own, what is added to them by node, since
    the times that a node noted are not known better than that.
    """
    with evidence.reading("clock"):
        columns = ("lab_ns", "node", "divergence_ns", "error_ns")
        samples = evidence.scan("clock").select(*columns).drop_nulls(columns[:3])
        nodes = samples.select(pl.col("node").unique().sort()).collect(engine="streaming")
        wider = lab_errors_ns or {}
        return {node: _series_of(samples, node, wider.get(node, 0)) for node in nodes["node"]}


def quantile(values: pa.Array, share: float) -> int | None:
    """The smallest value that at least `share` of the values do not exceed; None of nothing."""
    if len(values) == 0:
        return None
    return int(pc.quantile(values, q=share, interpolation="higher")[0].as_py())


def to_arrow(values: Ints) -> pa.Array:
    """The same memory as an Arrow array of int64."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(values)])


def to_series(values: Ints) -> pl.Series:
    """The same memory as a polars column of int64."""
    return pl.Series(to_arrow(values), dtype=pl.Int64)


def last_sample_ns(clocks: Clocks) -> int | None:
    """Lab time of the newest sample of any clock."""
    return max((series.lab_ns[-1] for series in clocks.values() if len(series)), default=None)


def gaps(times_ns: Ints, start_ns: int, end_ns: int, longest_ns: int) -> tuple[int, int]:
    """(how many waits between samples were longer than `longest_ns`, the longest wait)."""
    if not len(times_ns):
        return int(end_ns - start_ns > longest_ns), end_ns - start_ns
    ends = [times_ns[0] - start_ns, end_ns - times_ns[-1]]
    waits = pl.concat([pl.Series(ends, dtype=pl.Int64), to_series(times_ns).diff().drop_nulls()])
    longest = waits.max()
    assert isinstance(longest, int)
    return int((waits > longest_ns).sum()), longest


def _series_of(samples: pl.LazyFrame, node: str, lab_error_ns: int) -> ClockSeries:
    """One node's samples, in true order whatever order they were recorded in."""
    own = samples.filter(pl.col("node") == node).select("lab_ns", "divergence_ns", "error_ns")
    frame = own.collect(engine="streaming")
    if not frame["lab_ns"].is_sorted():
        frame = frame.sort("lab_ns", maintain_order=True)
    series = ClockSeries(_memory(frame["lab_ns"]), _memory(frame["divergence_ns"]))
    if frame["error_ns"].null_count():
        return series
    return replace(series, error_ns=_memory(frame["error_ns"] + lab_error_ns))


def _memory(column: pl.Series) -> memoryview:
    """The values of an int64 column without nulls; the view keeps them alive."""
    whole = column.rechunk().to_arrow()
    values = memoryview(whole.buffers()[1]).cast("q")
    return values[whole.offset : whole.offset + len(whole)]
