"""lease-db-time: leases granted and judged by the database's clock.

The inequality of lease with one clock for both servers, so that only its own course counts:
it must have been past the end of A's lease when B took the seat, and before it when A
confirmed after that. theta is the divergence of the database's clock, left what A's lease
had left by true time when B came:

    theta(t_B) > left,  A confirmed after t_B, when theta <= left - (confirmed - t_B)
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ..claims import Claim
from ..clocks import Theta
from .base import (
    DATABASE,
    Explanation,
    Injected,
    Model,
    Window,
    World,
    error_text,
    lacking,
    neighbours,
    span_text,
)
from .lease import any_pair, by_wall_clock, opportunity, reach, taken_over, taken_over_by_column

INEQUALITY = "theta_db(t_B) > left, and A confirms after that, when theta_db is below what is left"


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """Put the measured numbers into the inequality."""
    expires_ns, confirmed_ns = a.hold_expires_ns, a.decided_ns
    if expires_ns is None or confirmed_ns is None or None in (a.claimed_ns, b.claimed_ns):
        return lacking(a, b, INEQUALITY, world.no_record, "a server has no record of its hold")
    at_a, at_b, at_confirm = (
        world.theta(DATABASE, when) for when in (a.time_ns, b.time_ns, confirmed_ns)
    )
    if at_a is None or at_b is None or at_confirm is None:
        what = "the database's clock was not sampled at that time"
        return lacking(a, b, INEQUALITY, "undetermined", what)
    # By the observer alone, the database's own readings left aside.
    left_ns = (a.ttl_ns or 0) + at_a.divergence_ns - (b.time_ns - a.time_ns)
    then_left_ns = left_ns - (confirmed_ns - b.time_ns)
    reasons = _reasons(a, b, at_a, at_b, at_confirm, left_ns, then_left_ns, confirmed_ns)
    words = (
        f"Seat {a.seat}: {a.server} held it for {a.buyer}, with {span_text(left_ns)} left when "
        f"{b.server} came for {b.buyer}; but the database's clock was "
        f"{error_text(at_b.divergence_ns)} then, so that the lease looked over, and "
        f"{error_text(at_confirm.divergence_ns)} when {a.server} confirmed, "
        f"{span_text(confirmed_ns - b.time_ns)} after that, so that it looked alive."
    )
    return Explanation(
        status="unexplained" if reasons else "explained",
        cause="" if reasons else "clock-step",
        inequality=INEQUALITY,
        numbers_ns={
            "theta_b": at_b.divergence_ns,
            "left": left_ns,
            "confirmed_after": confirmed_ns - b.time_ns,
            "theta_confirm": at_confirm.divergence_ns,
            "then_left": then_left_ns,
        },
        words=words + (f" That does not explain it: {'; '.join(reasons)}." if reasons else ""),
        reason="; ".join(reasons),
    )


SLACK_NS = 20_000_000
"""The database reads its clock within a transaction, the server its own before and after."""


def _reasons(
    a: Claim, b: Claim, at_a: Theta, at_b: Theta, at_confirm: Theta, left_ns: int,
    then_left_ns: int, confirmed_ns: int,
) -> list[str]:  # fmt: skip
    slack_ns = SLACK_NS + at_a.error_ns
    reasons = []
    if at_b.divergence_ns + at_b.error_ns + slack_ns <= left_ns:
        reasons.append(f"by the database's clock the lease was alive when {b.server} took it")
    if confirmed_ns <= b.time_ns:
        reasons.append(f"{a.server} had confirmed before {b.server} took the seat")
    if at_confirm.divergence_ns - at_confirm.error_ns - slack_ns > then_left_ns:
        reasons.append(f"by the database's clock the lease was over when {a.server} confirmed it")
    return reasons


def opportunities(claims: Sequence[Claim], injected: Injected) -> bool:
    """What would have broken the lease by the servers' clocks, or what the database's own
    injected steps could break."""
    return opportunity(claims, injected) or any_pair(claims, injected, _stepped)


def _stepped(a: Claim, b: Claim, injected: Injected) -> bool:
    forward_ns = injected.theta_ns(DATABASE, b.time_ns) - injected.theta_ns(DATABASE, a.time_ns)
    return taken_over(a, b, forward_ns, injected.ttl_ns)


def _window(injected: Injected) -> pl.Expr:
    return by_wall_clock(injected) | taken_over_by_column(pl.col("database_ns"))


MODEL = Model(explain, opportunities, neighbours, Window(_window, reach))
