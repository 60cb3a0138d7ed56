"""Order inversions: claims whose stamps tell another order than the true one."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Sequence

import pyarrow.compute as pc

from .claims import Records


def count_inversions(records: Records, gap_ns_min: int) -> int:
    """Pairs of claims on one seat ordered by their stamps against lab time.

    Only pairs more than `gap_ns_min` apart count: nearer ones are within the error of the
    readings themselves.
    """
    own = records.claims.filter(
        pc.equal(records.claims["origin"], records.claims["holder_server"])
    ).select(["seat", "claimed_lab_ns", "stamp_ns"])
    own = own.drop_null().sort_by([("seat", "ascending"), ("claimed_lab_ns", "ascending")])
    seats, times, stamps = (column.to_pylist() for column in own.columns)
    return sum(
        inversions(times[low:high], stamps[low:high], gap_ns_min) for low, high in _runs(seats)
    )


def inversions(times_ns: Sequence[int], stamps_ns: Sequence[int], gap_ns_min: int) -> int:
    """Of claims in true order: pairs i < j with stamp_i > stamp_j and t_j - t_i > gap_ns_min.

    O(n log n): stamps of claims old enough wait in a sorted list.
    """
    count, ripe = 0, 0
    older: list[int] = []
    for time_ns, stamp_ns in zip(times_ns, stamps_ns, strict=True):
        while time_ns - times_ns[ripe] > gap_ns_min:
            insort(older, stamps_ns[ripe])
            ripe += 1
        count += len(older) - bisect_right(older, stamp_ns)
    return count


def _runs(values: Sequence[str]) -> Iterable[tuple[int, int]]:
    """(first, one past last) of every run of equal values."""
    low = 0
    for high in range(1, len(values) + 1):
        if high == len(values) or values[high] != values[low]:
            yield low, high
            low = high
