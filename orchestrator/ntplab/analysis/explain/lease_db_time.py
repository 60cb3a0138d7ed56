"""lease-db-time: leases granted and judged by the database's clock.

The inequality of lease with one clock for both servers, so that only its own course counts:
it must have been past the end of A's lease when B took the seat, and before it when A
confirmed after that. theta is the divergence of the database's clock, left what A's lease
had left by true time when B came:

    theta(t_B) > left,  A confirmed after t_B, when theta <= left - (confirmed - t_B)

These are the times at which the database read its clock: after the server noted its own, and
before the buyer had the answer. The clock may step in between, so theta at the server's note
would not do. Each reading on record must be one that the observer saw the clock show then.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from ..claims import Claim
from .base import (
    DATABASE,
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
from .lease import any_pair, by_wall_clock, opportunity, reach, taken_over, taken_over_by_column

INEQUALITY = "theta_db(t_B) > left, and A confirms after that, when theta_db is below what is left"

RESOLUTION_NS = 1_000
"""PostgreSQL tells the time in microseconds."""


@dataclass(frozen=True)
class Reading:
    """The database's clock showed `shown_ns` at some lab time in [asked, answered]."""

    server: str
    shown_ns: int
    asked_ns: int
    answered_ns: int

    def time_ns(self, world: World) -> int | None:
        """When the observer saw the clock show it; None if it never did in that time."""
        samples = world.clocks[DATABASE]
        first = max(bisect_left(samples.lab_ns, self.asked_ns) - 1, 0)
        last = bisect_right(samples.lab_ns, self.answered_ns)
        error_ns = world.sample_error_ns + RESOLUTION_NS
        for divergence_ns in samples.divergence_ns[first : last + 1]:
            read_ns = self.shown_ns - divergence_ns
            if not self.asked_ns - error_ns <= read_ns <= self.answered_ns + error_ns:
                continue
            theta = world.theta(DATABASE, read_ns)
            if theta is not None and abs(theta.divergence_ns - divergence_ns) <= theta.error_ns:
                return read_ns
        return None

    def sampled(self, world: World) -> bool:
        ends = self.asked_ns, self.answered_ns
        return all(world.theta(DATABASE, end_ns) is not None for end_ns in ends)


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """Put the measured numbers into the inequality."""
    granted = _reading(a.server, a.hold_granted_ns, a.claimed_ns, a.answered_ns)
    taken = _reading(b.server, b.hold_granted_ns, b.claimed_ns, b.answered_ns)
    confirmed = _reading(a.server, a.judged_ns, a.decided_ns, a.confirm_answered_ns)
    expires_ns = a.hold_expires_ns
    if granted is None or taken is None or confirmed is None or expires_ns is None:
        return lacking(a, b, INEQUALITY, world.no_record, "a server has no record of its hold")
    readings = granted, taken, confirmed
    if not all(reading.sampled(world) for reading in readings):
        what = "the database's clock was not sampled at that time"
        return lacking(a, b, INEQUALITY, "undetermined", what)
    times_ns = [reading.time_ns(world) for reading in readings]
    reasons = [
        f"the database told {reading.server} {clock_text(reading.shown_ns)}, which its clock never "
        f"showed while it was asked"
        for reading, time_ns in zip(readings, times_ns, strict=True)
        if time_ns is None
    ]
    _, taken_ns, confirmed_ns = (
        reading.asked_ns if time_ns is None else time_ns
        for reading, time_ns in zip(readings, times_ns, strict=True)
    )
    if taken.shown_ns <= expires_ns:
        reasons.append(f"by the database's clock the lease was alive when {b.server} took it")
    if confirmed_ns <= taken_ns:
        reasons.append(f"{a.server} had confirmed before {b.server} took the seat")
    if confirmed.shown_ns > expires_ns:
        reasons.append(f"by the database's clock the lease was over when {a.server} confirmed it")
    numbers_ns = {
        "theta_b": taken.shown_ns - taken_ns,
        "left": expires_ns - taken_ns,
        "confirmed_after": confirmed_ns - taken_ns,
        "theta_confirm": confirmed.shown_ns - confirmed_ns,
        "then_left": expires_ns - confirmed_ns,
    }
    words = (
        f"Seat {a.seat}: {a.server} held it for {a.buyer}, with {span_text(numbers_ns['left'])} "
        f"left when {b.server} came for {b.buyer}; but the database's clock was "
        f"{error_text(numbers_ns['theta_b'])} then, so that the lease looked over, and "
        f"{error_text(numbers_ns['theta_confirm'])} when {a.server} confirmed, "
        f"{span_text(numbers_ns['confirmed_after'])} after that, so that it looked alive."
    )
    return Explanation(
        status="unexplained" if reasons else "explained",
        cause="" if reasons else "clock-step",
        inequality=INEQUALITY,
        numbers_ns=numbers_ns,
        words=words + (f" That does not explain it: {'; '.join(reasons)}." if reasons else ""),
        reason="; ".join(reasons),
    )


def _reading(
    server: str, shown_ns: int | None, asked_ns: int | None, answered_ns: int | None
) -> Reading | None:
    if shown_ns is None or asked_ns is None or answered_ns is None:
        return None
    return Reading(server, shown_ns, asked_ns, answered_ns)


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
