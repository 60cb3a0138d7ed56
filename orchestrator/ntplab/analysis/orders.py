"""Stamps before and after correction: the founding document's compare, from the evidence.

The corrected stamp is what the wall clock showed (for most policies, the stamp) minus the error of
that clock at that time: by the
observer's samples (the truth), and apart from that by what chronyd believed, which is all that a
machine outside a lab knows. A claim that nothing was known about stays uncorrected, and the order
on its seat unknown; nothing is assumed.

A seat's order *changes* when the corrected stamps order its claims otherwise than the stamps
did. It is *wrong* when it contradicts lab time by more than `READING_NS_MAX`.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from .clocks import Clocks
from .compact import codes_of
from .results import Comparison, Orders
from .thetas import with_thetas

READING_NS_MAX = 1_000_000
"""A server reads its wall clock and its raw clock one after the other; nearer claims may swap."""
BELIEF_AGE_NS_MAX = 3_000_000_000
"""A report of chronyd further from a claim says nothing about it."""


def count_orders(
    claims: pl.DataFrame, clocks: Clocks, beliefs: pl.DataFrame, sample_error_ns: int
) -> Comparison:
    """The contested seats of one part, compared; `claims` as in `contests`, of those seats alone.

    `beliefs`: node, lab_ns, offset_ns of every synchronised report, sorted by lab_ns.
    """
    known = corrected(claims, clocks, beliefs, sample_error_ns)
    return Comparison(by_truth=_orders(known, "theta_ns"), by_belief=_orders(known, "believed_ns"))


def corrected(
    claims: pl.DataFrame, clocks: Clocks, beliefs: pl.DataFrame, sample_error_ns: int
) -> pl.DataFrame:
    """Stamped claims with `theta_ns` (the truth) and `believed_ns`, null where not known."""
    stamped = claims.drop_nulls(["stamp_ns", "claimed_ns"])
    stamped = stamped.with_columns(logical=pl.col("logical").fill_null(0))
    codes = codes_of(sorted({*clocks, *beliefs["node"].unique()}))
    seen = with_thetas(stamped, clocks, codes, "claimed_ns", sample_error_ns)
    everything = seen.sort("claimed_ns")
    reports = beliefs.select(
        server=pl.col("node").replace_strict(codes, default=None, return_dtype=pl.UInt64),
        claimed_ns="lab_ns",
        believed_ns="offset_ns",
    ).sort("claimed_ns")
    return everything.join_asof(
        reports,
        on="claimed_ns",
        by="server",
        strategy="nearest",
        tolerance=BELIEF_AGE_NS_MAX,
        check_sortedness=False,
    )


def add(first: Comparison, second: Comparison) -> Comparison:
    """The counts of two parts together."""
    return Comparison(
        by_truth=_sum(first.by_truth, second.by_truth),
        by_belief=_sum(first.by_belief, second.by_belief),
    )


def _sum(first: Orders, second: Orders) -> Orders:
    ours, theirs = first.model_dump(), second.model_dump()
    return Orders(**{name: value + theirs[name] for name, value in ours.items()})


def _orders(claims: pl.DataFrame, error: str) -> Orders:
    """Every seat's order by stamps and by stamps without `error`, held against each other and
    against lab time."""
    known = claims.with_columns(after_ns=pl.col("wall_ns") - pl.col(error))
    whole = known.filter(pl.col("after_ns").is_not_null().all().over("seat"))
    by_stamp = whole.sort("seat", "stamp_ns", "logical", "server")
    by_corrected = by_stamp.sort("seat", "after_ns", maintain_order=True)
    seats = known["seat"].n_unique()
    return Orders(
        claims=len(known),
        uncorrected=known["after_ns"].null_count(),
        seats=seats,
        order_unknown=seats - whole["seat"].n_unique(),
        order_changed=_falling(by_stamp, "after_ns", 0),
        wrong_before=_falling(by_stamp, "claimed_ns", READING_NS_MAX),
        wrong_after=_falling(by_corrected, "claimed_ns", READING_NS_MAX),
    )


def _falling(ordered: pl.DataFrame, column: str, slack_ns: int) -> int:
    """Seats in whose order some value is below an earlier one by more than `slack_ns`."""
    value, seat = pl.col(column), pl.col("seat")
    highest = value.cum_max().over(seat)
    return int(ordered.filter(highest - value > slack_ns)["seat"].n_unique())


def orders_of(times_ns: Sequence[int]) -> list[int]:
    """The places (from 1) of claims listed in the order of their stamps, by other times."""
    order = sorted(range(len(times_ns)), key=lambda index: (times_ns[index], index))
    places = [0] * len(times_ns)
    for place, index in enumerate(order, 1):
        places[index] = place
    return places
