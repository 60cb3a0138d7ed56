"""hybrid-logical: timestamp-order, stamped by a hybrid logical clock.

A server stamps above every claim that it has seen, whatever its wall clock says. A is the
first claim in lab time, B the second; both hold a receipt only when the claims crossed on the
wire, gap < lag of A's claim, and the higher was decided before the lower one came:

    B lower: delta - lag < gap       with A's delta and B's lag
    A lower: lag > gap + delta       with B's delta and A's lag

Either needs delta < 2 lag. NTP is in neither.
"""

from __future__ import annotations

from ..claims import Claim
from .base import Explanation, Model, World, every_pair, lacking, span_text
from .timestamp_order import WINDOW, opportunity

INEQUALITY = "gap < lag, and delta - lag < gap (B lower) or lag > gap + delta (A lower)"


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """Put the measured numbers into the inequality of the case that the stamps show."""
    if a.stamp_ns is None or b.stamp_ns is None or None in (a.claimed_ns, b.claimed_ns):
        return lacking(a, b, INEQUALITY, world.no_record, "a server has no record of its claim")
    if a.decided_ns is None or b.decided_ns is None or {a.server, b.server} - world.holders:
        what = "a server left no record of its decision"
        return lacking(a, b, INEQUALITY, world.no_record, what)
    gap_ns = b.time_ns - a.time_ns
    lag_a_ns, lag_b_ns = _lag(a, b), _lag(b, a)
    b_lower = (b.stamp_ns, b.logical, b.server) < (a.stamp_ns, a.logical, a.server)
    delta_ns = (a.decided_ns - a.time_ns) if b_lower else (b.decided_ns - b.time_ns)
    reasons = []
    if b_lower and lag_a_ns is not None and lag_a_ns < gap_ns:
        reasons.append(f"{b.server} had seen the first claim and stamped below it")
    if b_lower and lag_b_ns is not None and gap_ns <= delta_ns - lag_b_ns:
        reasons.append(f"{a.server} knew of the lower stamp when it decided, and still said yes")
    if not b_lower and lag_a_ns is not None and lag_a_ns <= gap_ns + delta_ns:
        reasons.append(f"{b.server} knew of the lower stamp when it decided, and still said yes")
    return Explanation(
        status="unexplained" if reasons else "explained",
        cause="" if reasons else "late-replication",
        inequality=INEQUALITY,
        numbers_ns={"gap": gap_ns, "delta": delta_ns, "lag_a": lag_a_ns, "lag_b": lag_b_ns},
        words=_words(a, b, gap_ns, lag_a_ns, lag_b_ns, delta_ns)
        + (f" That does not explain it: {'; '.join(reasons)}." if reasons else ""),
        reason="; ".join(reasons),
    )


def _lag(claim: Claim, other: Claim) -> int | None:
    received_ns = claim.received_ns.get(other.server)
    return None if received_ns is None else received_ns - claim.time_ns


def _words(
    a: Claim, b: Claim, gap_ns: int, lag_a_ns: int | None, lag_b_ns: int | None, delta_ns: int
) -> str:
    took_a, took_b = ("never came" if n is None else span_text(n) for n in (lag_a_ns, lag_b_ns))
    return (
        f"Seat {a.seat}: {a.server}'s claim for {a.buyer} and {b.server}'s for {b.buyer}, "
        f"{span_text(gap_ns)} later, crossed on the wire (news of the first: {took_a}; of the "
        f"second: {took_b}) and the wait of {span_text(delta_ns)} was over before the lower stamp "
        f"came."
    )


MODEL = Model(explain, opportunity, every_pair, WINDOW)
