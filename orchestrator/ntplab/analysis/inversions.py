"""Order inversions: claims whose stamps tell another order than the true one."""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence

import polars as pl

from ..evidence import Evidence
from .attempts import of_phase
from .compact import PART_ROWS, hash_of, part_of

FEW = 16
"""Claims on a seat up to which its pairs are compared by column."""


def count_inversions(evidence: Evidence, phase: str, gap_ns_min: int) -> int:
    """Pairs of claims on one seat ordered by their stamps against lab time.

    Only pairs more than `gap_ns_min` apart count: nearer ones are within the error of the
    readings themselves.
    """
    own = of_phase(evidence.scan("claims"), phase)
    own = own.filter(pl.col("origin") == pl.col("holder_server"))
    columns = own.select(
        seat=hash_of("seat"), time_ns=pl.col("claimed_lab_ns"), stamp_ns=pl.col("stamp_ns")
    ).drop_nulls()
    with evidence.reading("claims"):
        rows = int(own.select(pl.len()).collect(engine="streaming").item())
        count = 1 + rows // PART_ROWS
        kept = columns.collect(engine="streaming")
    parts = (part_of(kept.lazy(), number, count) for number in range(count))
    return sum(inverted_pairs(part, gap_ns_min) for part in parts)


def inverted_pairs(claims: pl.DataFrame, gap_ns_min: int) -> int:
    """`inversions` of every seat; `claims` has seat, time_ns and stamp_ns."""
    ordered = claims.sort("seat", "time_ns")
    stamp, seat = pl.col("stamp_ns"), pl.col("seat")
    wrong = ordered.filter((seat == seat.shift()) & (stamp < stamp.shift()))["seat"].unique()
    if not len(wrong):  # stamps that never fall leave no inversion
        return 0
    suspects = ordered.filter(seat.is_in(wrong.implode()))
    few = suspects.filter(pl.len().over("seat") <= FEW)
    many = suspects.filter(pl.len().over("seat") > FEW)
    count = sum(_inverted_at(few, distance, gap_ns_min) for distance in range(1, FEW))
    for group in many.partition_by("seat", maintain_order=True):
        count += inversions(group["time_ns"].to_list(), group["stamp_ns"].to_list(), gap_ns_min)
    return count


def _inverted_at(claims: pl.DataFrame, distance: int, gap_ns_min: int) -> int:
    """Inversions among the claims that many places apart on a seat."""
    seat, time, stamp = (pl.col(name) for name in ("seat", "time_ns", "stamp_ns"))
    same = seat == seat.shift(distance)
    inverted = (stamp.shift(distance) > stamp) & (time - time.shift(distance) > gap_ns_min)
    return int(claims.select((same & inverted).sum()).item() or 0)


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
