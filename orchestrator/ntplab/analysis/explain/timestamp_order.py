"""timestamp-order: the lowest (stamp, server) that a server knows when it decides wins.

Each server keeps its own claims and tells its peers. A is the first claim in lab time, B the
second. Two ways to two receipts, and no third:

clock-skew: B's stamp is the lower one, gap < theta_A - theta_B, so B wins wherever both are
known; A wins on its own server only if it decided before B's claim got there,
gap > delta - lag. delta is what A really waited (decided - claimed), lag what B's claim
really took to A's server (infinite if it never came).

late-replication: A's stamp is the lower one and A wins; B wins on its own server only if it
decided before A's claim got there: lag > gap + delta, with B's delta and A's lag. That
needs no clock to be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ..claims import Claim
from .base import (
    Explanation,
    Injected,
    Model,
    Window,
    World,
    clock_text,
    error_text,
    every_pair,
    lacking,
    span_text,
)

SKEW = "delta - lag < gap < theta_A - theta_B"
LATE = "lag > gap + delta"

STAMP_SLACK_NS_MAX = 1_000_000
"""A server reads wall clock and raw clock one after the other. By as much as stamp minus lab
time differs from the observer's divergence, and by no more than this, a near tie of stamps
may have gone either way."""


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """Put the measured numbers into the inequality of the case that the stamps show."""
    if a.stamp_ns is None or b.stamp_ns is None or None in (a.claimed_ns, b.claimed_ns):
        return lacking(a, b, SKEW, world.no_record, "a server has no record of its claim")
    inverted = (b.stamp_ns, b.server) < (a.stamp_ns, a.server)
    return _clock_skew(a, b, world) if inverted else _late_replication(a, b, world)


def _clock_skew(a: Claim, b: Claim, world: World) -> Explanation:
    theta_a, theta_b = world.theta(a.server, a.time_ns), world.theta(b.server, b.time_ns)
    if theta_a is None or theta_b is None:
        return lacking(a, b, SKEW, "undetermined", "the clocks were not sampled at that time")
    if a.decided_ns is None or a.server not in world.holders:
        return lacking(a, b, SKEW, world.no_record, f"{a.server} left no record of its decision")
    gap_ns = b.time_ns - a.time_ns
    skew_ns = theta_a.divergence_ns - theta_b.divergence_ns
    delta_ns = a.decided_ns - a.time_ns
    received_ns = b.received_ns.get(a.server)
    lag_ns = None if received_ns is None else received_ns - b.time_ns
    slack_ns = sum(
        theta.error_ns + min(STAMP_SLACK_NS_MAX, _disagreement_ns(claim, theta.divergence_ns))
        for claim, theta in ((a, theta_a), (b, theta_b))
    )
    reasons = []
    if gap_ns >= skew_ns + slack_ns:
        reasons.append(
            f"the gap of {span_text(gap_ns)} is not below the clocks' difference of "
            f"{span_text(skew_ns)}, though the stamps are in the wrong order"
        )
    if lag_ns is not None and gap_ns <= delta_ns - lag_ns:
        reasons.append(f"{a.server} knew of the lower stamp when it decided, and still said yes")
    words = _skew_words(a, b, theta_a.divergence_ns, theta_b.divergence_ns, gap_ns, skew_ns)
    words += _window_words(a, delta_ns, lag_ns, gap_ns, skew_ns, bool(reasons))
    return Explanation(
        status="unexplained" if reasons else "explained",
        cause="" if reasons else "clock-skew",
        inequality=SKEW,
        numbers_ns={"gap": gap_ns, "skew": skew_ns, "delta": delta_ns, "lag": lag_ns},
        words=words,
        reason="; ".join(reasons),
    )


def _late_replication(a: Claim, b: Claim, world: World) -> Explanation:
    if b.decided_ns is None or b.server not in world.holders:
        return lacking(a, b, LATE, world.no_record, f"{b.server} left no record of its decision")
    gap_ns = b.time_ns - a.time_ns
    delta_ns = b.decided_ns - b.time_ns
    received_ns = a.received_ns.get(b.server)
    lag_ns = None if received_ns is None else received_ns - a.time_ns
    explained = lag_ns is None or lag_ns > gap_ns + delta_ns
    took = "never came" if lag_ns is None else f"took {span_text(lag_ns)}"
    relation = ">" if explained else "is not more than"
    words = (
        f"Seat {a.seat}: {a.server} stamped {a.buyer}'s claim {clock_text(a.stamp_ns or 0)} and "
        f"{b.server} {b.buyer}'s later one {clock_text(b.stamp_ns or 0)}, in the true order; but "
        f"news of the first {took} to {b.server}, which had decided by then: lag {relation} "
        f"gap {span_text(gap_ns)} + delta {span_text(delta_ns)}."
    )
    return Explanation(
        status="explained" if explained else "unexplained",
        cause="late-replication" if explained else "",
        inequality=LATE,
        numbers_ns={"gap": gap_ns, "delta": delta_ns, "lag": lag_ns},
        words=words,
        reason="" if explained else f"{b.server} knew of the lower stamp when it decided",
    )


def _disagreement_ns(claim: Claim, theta_ns: int) -> int:
    return abs((claim.stamp_ns or 0) - claim.time_ns - theta_ns)


def _skew_words(
    a: Claim, b: Claim, theta_a_ns: int, theta_b_ns: int, gap_ns: int, skew_ns: int
) -> str:
    return (
        f"Seat {a.seat}: {a.server} ({error_text(theta_a_ns)}) stamped {a.buyer}'s claim "
        f"{clock_text(a.stamp_ns or 0)} (true time {clock_text(a.time_ns)}) and said yes; "
        f"{b.server}, {error_text(theta_b_ns)}, stamped {b.buyer}'s claim, made "
        f"{span_text(gap_ns)} later (true time {clock_text(b.time_ns)}), "
        f"{clock_text(b.stamp_ns or 0)}, so that it looked the earlier one, and said yes too"
    )


def _window_words(
    a: Claim, delta_ns: int, lag_ns: int | None, gap_ns: int, skew_ns: int, fails: bool
) -> str:
    if lag_ns is None:
        lower = f"news of it never reached {a.server}"
    else:
        lower = f"delta - lag = {span_text(delta_ns - lag_ns)} < gap {span_text(gap_ns)}"
    link = "but it does not hold that" if fails else "because"
    upper = f"gap {span_text(gap_ns)} < " if lag_ns is None else "< "
    joint = " and " if lag_ns is None else " "
    return f", {link} {lower}{joint}{upper}skew {span_text(skew_ns)}."


def opportunity(claims: Sequence[Claim], injected: Injected) -> bool:
    """Whether a later claim falls into the window that the injected errors open.

    A is the first claim on the seat: with true clocks it wins, and stays the lowest stamp.
    """
    a = claims[0]
    return any(_in_window(a, b, injected, injected.stability_ns) for b in claims[1:])


def _in_window(a: Claim, b: Claim, injected: Injected, delta_ns: int) -> bool:
    if a.buyer == b.buyer or a.server == b.server:
        return False
    gap_ns = b.time_ns - a.time_ns
    skew_ns = injected.theta_ns(a.server, a.time_ns) - injected.theta_ns(b.server, b.time_ns)
    return delta_ns - injected.lag_ns < gap_ns < skew_ns


def opportunity_without_wait(claims: Sequence[Claim], injected: Injected) -> bool:
    """The same window with delta = 0: what policies that do not order by stamps withstood."""
    a = claims[0]
    return any(_in_window(a, b, injected, 0) for b in claims[1:])


def _window(delta_ns: int, lag_ns: int) -> pl.Expr:
    gap_ns = pl.col("gap_ns")
    return pl.col("crossed") & (gap_ns > delta_ns - lag_ns) & (gap_ns < pl.col("skew_ns"))


WINDOW = Window(lambda injected: _window(injected.stability_ns, injected.lag_ns))
WINDOW_WITHOUT_WAIT = Window(lambda injected: _window(0, injected.lag_ns))

MODEL = Model(explain, opportunity, every_pair, WINDOW)
