"""commit-wait: timestamp-order whose wait covers what the clocks may be off.

delta = lag bound + epsilon_A + the largest epsilon of the peers. It never double-books as long
as its two assumptions hold; so a double booking is explained only by the inequality of
timestamp-order together with an assumption that was broken:

    |theta_A| > epsilon_A or |theta_B| > epsilon_B    a clock was further off than promised
    lag > lag bound                                   a claim took longer than was assumed
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..claims import Claim
from . import timestamp_order
from .base import Explanation, Injected, Model, World, every_pair, span_text

INEQUALITY = "delta - lag < gap < theta_A - theta_B, with a bound broken"


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """Why timestamp-order's inequality could hold in spite of the wait."""
    found = timestamp_order.explain(a, b, world)
    if found.status != "explained":
        return replace(found, inequality=INEQUALITY)
    broken = [*_clocks(a, b, world), *_lags(a, b, world)]
    if broken:
        words = f"{found.words} The wait did not cover it: {'; '.join(broken)}."
        return replace(found, inequality=INEQUALITY, words=words)
    reason = "both clocks were within their bounds and no claim was late"
    words = f"{found.words} That does not explain it: {reason}."
    return replace(
        found, status="unexplained", cause="", inequality=INEQUALITY, words=words, reason=reason
    )


def _clocks(a: Claim, b: Claim, world: World) -> list[str]:
    """Clocks that were further off than their servers had promised."""
    broken = []
    for claim in (a, b):
        theta = world.theta(claim.server, claim.time_ns)
        if theta is None or claim.bound_ns is None:
            continue
        if abs(theta.divergence_ns) + theta.error_ns > claim.bound_ns:
            broken.append(
                f"{claim.server} promised to be within {span_text(claim.bound_ns)} and was "
                f"{span_text(abs(theta.divergence_ns))} off"
            )
    return broken


def _lags(a: Claim, b: Claim, world: World) -> list[str]:
    """Claims that took longer to the other's server than was assumed, or never came."""
    bound_ns = world.params.get("lag_ns", 0)
    broken = []
    for claim, other in ((a, b), (b, a)):
        received_ns = claim.received_ns.get(other.server)
        if received_ns is None or received_ns - claim.time_ns > bound_ns:
            took = "never" if received_ns is None else span_text(received_ns - claim.time_ns)
            broken.append(f"{claim.server}'s claim came to {other.server} late ({took})")
    return broken


def opportunity(claims: Sequence[Claim], injected: Injected) -> bool:
    """Whether timestamp-order with no more than the lag bound as its wait would have failed."""
    return timestamp_order.opportunity(claims, injected)


MODEL = Model(explain, opportunity, every_pair, timestamp_order.WINDOW)
