"""last-write-wins: a server confirms at once what it knows nothing against.

A is the first claim in lab time, B the second. B's server says yes as long as A's claim has
not come, so both hold a receipt exactly when

    gap < lag

with lag what A's claim really took to B's server (infinite if it never came). No clock is in
that. The clocks decide which claim the replicas keep: the one with the higher stamp, which is
A's, the earlier one, where theta_A - theta_B > gap.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ..claims import Claim
from .base import Explanation, Injected, Model, Window, World, every_pair, lacking, span_text

INEQUALITY = "gap < lag"


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """Put the measured numbers into the inequality."""
    if None in (a.claimed_ns, b.claimed_ns, a.stamp_ns, b.stamp_ns):
        return lacking(a, b, INEQUALITY, world.no_record, "a server has no record of its claim")
    if b.server not in world.holders:
        what = f"{b.server} left no record of what it knew"
        return lacking(a, b, INEQUALITY, world.no_record, what)
    gap_ns = b.time_ns - a.time_ns
    received_ns = a.received_ns.get(b.server)
    lag_ns = None if received_ns is None else received_ns - a.time_ns
    holds = a.server != b.server and (lag_ns is None or gap_ns < lag_ns)
    reason = "" if holds else f"{b.server} knew of the first claim, and still said yes"
    return Explanation(
        status="explained" if holds else "unexplained",
        cause="late-replication" if holds else "",
        inequality=INEQUALITY,
        numbers_ns={"gap": gap_ns, "lag": lag_ns},
        words=_words(a, b, gap_ns, lag_ns) + (f" But {reason}." if reason else ""),
        reason=reason,
    )


def _words(a: Claim, b: Claim, gap_ns: int, lag_ns: int | None) -> str:
    took = "never came" if lag_ns is None else f"took {span_text(lag_ns)}"
    first_kept = (a.stamp_ns or 0, a.server) > (b.stamp_ns or 0, b.server)
    kept = f"{a.buyer}'s, the earlier write" if first_kept else f"{b.buyer}'s, the last write"
    return (
        f"Seat {a.seat}: {a.server} said yes to {a.buyer} and {b.server} to {b.buyer} "
        f"{span_text(gap_ns)} later; news of the first {took}. The replicas keep {kept} by its "
        f"stamp; nobody told the other buyer."
    )


def opportunity(claims: Sequence[Claim], injected: Injected) -> bool:
    """Whether a claim on another server came within the lag of the one before it."""
    return any(
        a.buyer != b.buyer and a.server != b.server and b.time_ns - a.time_ns < injected.lag_ns
        for i, a in enumerate(claims)
        for b in claims[i + 1 :]
    )


def _window(injected: Injected) -> pl.Expr:
    return pl.col("crossed") & (pl.col("gap_ns") < injected.lag_ns)


WINDOW = Window(_window, lambda injected: pl.lit(injected.lag_ns))

MODEL = Model(explain, opportunity, every_pair, WINDOW)
