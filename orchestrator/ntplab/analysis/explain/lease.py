"""lease: a hold until a wall-clock time, confirmed by whoever granted it on its own clock.

A holds the seat until its server's clock shows hold_expires. B's server takes it as soon as
*its* clock shows that. Both end with a receipt exactly when B's clock is ahead of A's by
more than what was left of A's lease when B took it, and A confirms after that, its own
clock still before hold_expires:

    theta_B - theta_A > left,  left = hold_expires - (t_B + theta_A)
    A confirmed after t_B,     confirmed + theta_A < hold_expires

With left <= 0 the lease was over on A's own clock too; A can then confirm only because its
clock went back in between (NTP's own correction, for one): `clock-step`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from ..claims import Claim
from ..clocks import Theta
from .base import (
    Explanation,
    Injected,
    Model,
    Window,
    World,
    clock_text,
    error_text,
    lacking,
    neighbours,
    span_text,
)

INEQUALITY = "theta_B - theta_A > left, and A confirms after B took the seat"


Judge = Callable[[World, str, int], Theta | None]
"""(world, server, lab time) -> how far the clock that leases are judged by is from lab time"""


def wall_clock(world: World, server: str, lab_ns: int) -> Theta | None:
    """Each server judges by its own wall clock."""
    return world.theta(server, lab_ns)


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """Put the measured numbers into the inequality."""
    return explain_by(wall_clock, a, b, world)


def explain_by(judge: Judge, a: Claim, b: Claim, world: World) -> Explanation:
    """The inequality by whatever clock leases are judged by."""
    expires_ns, confirmed_ns = a.hold_expires_ns, a.decided_ns
    if expires_ns is None or confirmed_ns is None or None in (a.claimed_ns, b.claimed_ns):
        return lacking(a, b, INEQUALITY, world.no_record, "a server has no record of its hold")
    theta_a, theta_b = judge(world, a.server, b.time_ns), judge(world, b.server, b.time_ns)
    theta_then = judge(world, a.server, confirmed_ns)
    if theta_a is None or theta_b is None or theta_then is None:
        return lacking(a, b, INEQUALITY, "undetermined", "the clocks were not sampled at that time")
    left_ns = expires_ns - (b.time_ns + theta_a.divergence_ns)
    skew_ns = theta_b.divergence_ns - theta_a.divergence_ns
    after_ns = confirmed_ns - b.time_ns
    own_left_ns = expires_ns - (confirmed_ns + theta_then.divergence_ns)
    reasons = []
    if skew_ns + theta_a.error_ns + theta_b.error_ns <= left_ns:
        reasons.append(
            f"{b.server} took a lease that had {span_text(left_ns)} left, its clock ahead by only "
            f"{span_text(skew_ns)}"
        )
    if after_ns + world.apart_error_ns(a.server, b.server) <= 0:
        reasons.append(f"{a.server} had confirmed before {b.server} took the seat")
    if own_left_ns + theta_then.error_ns <= 0:
        reasons.append(f"{a.server} confirmed a lease that its own clock said was over")
    words = _words(a, b, theta_b.divergence_ns - theta_a.divergence_ns, left_ns, after_ns)
    return Explanation(
        status="unexplained" if reasons else "explained",
        cause="" if reasons else ("clock-skew" if left_ns > 0 else "clock-step"),
        inequality=INEQUALITY,
        numbers_ns={
            "skew": skew_ns,
            "left": left_ns,
            "confirmed_after": after_ns,
            "own_left": own_left_ns,
            "gap": b.time_ns - a.time_ns,
        },
        words=words + (f" That does not explain it: {'; '.join(reasons)}." if reasons else ""),
        reason="; ".join(reasons),
    )


def _words(a: Claim, b: Claim, skew_ns: int, left_ns: int, after_ns: int) -> str:
    left = f"had {span_text(left_ns)} left" if left_ns > 0 else "was over on its own clock as well"
    return (
        f"Seat {a.seat}: {a.server} held it for {a.buyer} until its clock would show "
        f"{clock_text(a.hold_expires_ns or 0)}; {b.server}, {error_text(skew_ns)} against it, "
        f"took it for {b.buyer} at true time {clock_text(b.time_ns)}, when the lease {left}; "
        f"{a.server} confirmed {span_text(after_ns)} after that, without looking again: "
        f"theta_B - theta_A = {span_text(skew_ns)} against {span_text(left_ns)} left."
    )


def opportunity(claims: Sequence[Claim], injected: Injected) -> bool:
    """Whether a claim came while another's lease lived that the injected errors would end.

    left = ttl - gap with a true clock at A: 0 < left < theta_B - theta_A; and the buyer of A
    asked for the confirmation after B's claim.
    """
    return any_pair(claims, injected, _in_window)


def _in_window(a: Claim, b: Claim, injected: Injected) -> bool:
    skew_ns = injected.theta_ns(b.server, b.time_ns) - injected.theta_ns(a.server, a.time_ns)
    return a.server != b.server and taken_over(a, b, skew_ns, injected.ttl_ns)


def taken_over(a: Claim, b: Claim, skew_ns: int, ttl_ns: int) -> bool:
    """Whether B came while A's lease lived, its clock ahead by more than what was left, and A's
    buyer asked for the confirmation after that."""
    if a.buyer == b.buyer or a.confirm_sent_ns is None:
        return False
    left_ns = (ttl_ns if a.ttl_ns is None else a.ttl_ns) - (b.time_ns - a.time_ns)
    return 0 < left_ns < skew_ns and a.confirm_sent_ns > b.time_ns


def any_pair(
    claims: Sequence[Claim], injected: Injected, holds: Callable[[Claim, Claim, Injected], bool]
) -> bool:
    """Whether `holds` for some claim that was granted a lease and some later one."""
    return any(
        holds(a, b, injected)
        for i, a in enumerate(claims)
        if a.hold_granted_ns is not None
        for b in claims[i + 1 :]
    )


def taken_over_by_column(ahead_ns: pl.Expr) -> pl.Expr:
    """`taken_over` of a pair whose second claim's clock is ahead by that much."""
    left_ns = pl.col("ttl_ns") - pl.col("gap_ns")
    ends_early = (left_ns > 0) & (left_ns < ahead_ns)
    return pl.col("granted") & ends_early & (pl.col("confirm_after_ns") > 0)


def by_wall_clock(_injected: Injected) -> pl.Expr:
    """`_in_window` by column."""
    return pl.col("crossed") & taken_over_by_column(-pl.col("skew_ns"))


def reach(_injected: Injected) -> pl.Expr:
    """A lease that is over cannot be ended early."""
    return pl.col("ttl_ns")


WINDOW = Window(by_wall_clock, reach)

MODEL = Model(explain, opportunity, neighbours, WINDOW)
