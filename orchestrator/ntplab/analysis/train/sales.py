"""Which tickets were sold twice, and why each of those could be.

The inequality of `literal`: the office's hold of the first sale ran out on its hold clock before
the receipt came, so the ticket was back in circulation when the second client was held for. The
hold clock ran `expired - granted`, at least the hold; how much of that was true time tells a late
receipt from a clock that was stepped. `confirmed` has no such inequality: a double sale of it is
unexplained, whatever the clocks did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from ..train_results import Cause, DoubleSale, Ownership
from .facts import Fact, Rules, TrainEvidence
from .owners import Owned, first_after, pairs

EARLY_TOLERANCE_NS = 2_000_000
"""A hold may end by so much before its time, for an office reads its clocks one after another."""
INEQUALITY = (
    "hold_clock(expired) - hold_clock(granted) >= hold, and expired <= granted_again, and no "
    "receipt before expired"
)
MOVES = {
    "ticket.held": "held for",
    "hold.expired": "hold expired of",
    "hold.refused": "refused by",
    "ticket.transferred": "transferred to",
    "ticket.owned": "owned by",
    "ticket.sold": "receipt of",
    "ticket.reclaimed": "reclaimed from",
    "receipt.conflict": "receipt came too late of",
}


def double_sales(train: TrainEvidence) -> list[DoubleSale]:
    """Every ticket that was sold again while its buyer owned it: each pair of sales that follow
    each other, once, by the time from which it was so. To another client, or (`literal` does that
    as well) to the same one, which then has paid twice for one seat."""
    by_ticket: dict[int | None, list[Fact]] = defaultdict(list)
    for fact in train.facts:
        by_ticket[fact.ticket_id].append(fact)
    found: dict[tuple[Fact, Fact], DoubleSale] = {}
    for generation, one, other in pairs(train):
        if (one.fact, other.fact) not in found:
            facts = by_ticket[one.fact.ticket_id]
            found[one.fact, other.fact] = explain(train.rules, generation, one, other, facts)
    return sorted(found.values(), key=lambda sale: (sale.since_lab_ns, sale.ticket))


def explain(
    rules: Rules, generation: int, first: Owned, second: Owned, facts: Sequence[Fact]
) -> DoubleSale:
    """Put the numbers of one double sale into the inequality. `facts`: all of that ticket."""
    one, held, other, again = first.fact, first.held, second.fact, second.held
    expired = first_after(facts, "hold.expired", one, held)
    reclaimed = first_after(facts, "ticket.reclaimed", one, held)
    received = first_after(facts, "ticket.sold", one, held)
    numbers = _numbers(rules, held, expired, again, one, other)
    cause: Cause = ""
    if reclaimed and again and reclaimed.lab_ns <= again.lab_ns:
        cause, reason = "reclaimed", ""
    else:
        reason = _why_not(rules, held, expired, again, received)
        if not reason:
            cause = _cause(rules, numbers)
    return DoubleSale(
        ticket=one.ticket_id or 0,
        generation=generation,
        first=_ownership(one, held),
        second=_ownership(other, again),
        status="unexplained" if reason else "explained",
        cause=cause,
        inequality=INEQUALITY,
        numbers_ns=numbers,
        words="" if reason else _words(rules, one, other, numbers, cause),
        reason=reason,
    )


def _why_not(
    rules: Rules, held: Fact | None, expired: Fact | None, again: Fact | None, received: Fact | None
) -> str:
    """Why the inequality does not hold; empty when it does."""
    if rules.protocol != "literal":
        return f"the {rules.protocol} protocol never puts a transferred ticket back"
    if held is None or again is None:
        return "the office did not say that it held the ticket for both"
    if expired is None:
        return "the first hold never expired"
    if received is not None and received.lab_ns < expired.lab_ns:
        return "the first client's receipt came before its hold expired"
    if expired.lab_ns > again.lab_ns:
        return "the ticket was held for the second client before the first hold expired"
    if rules.hold_clock_ns(expired) - rules.hold_clock_ns(held) < rules.hold_ns:
        return "the first hold expired before the hold clock had run for as long as a hold lasts"
    return ""


def _numbers(
    rules: Rules,
    held: Fact | None,
    expired: Fact | None,
    again: Fact | None,
    one: Fact,
    other: Fact,
) -> dict[str, int | None]:
    both = held is not None and expired is not None
    clock_ns = lab_ns = None
    if held is not None and expired is not None:
        clock_ns = rules.hold_clock_ns(expired) - rules.hold_clock_ns(held)
        lab_ns = expired.lab_ns - held.lab_ns
    return {
        "hold": rules.hold_ns,
        "granted_lab": held.lab_ns if held else None,
        "granted_hold_clock": rules.hold_clock_ns(held) if held else None,
        "expired_lab": expired.lab_ns if expired else None,
        "expired_hold_clock": rules.hold_clock_ns(expired) if expired else None,
        "hold_clock_ran": clock_ns,
        "true_time_passed": lab_ns,
        "hold_clock_moved": clock_ns - lab_ns if both and clock_ns and lab_ns else None,
        "first_owned_lab": one.lab_ns,
        "granted_again_lab": again.lab_ns if again else None,
        "second_owned_lab": other.lab_ns,
    }


def ended_early(rules: Rules, held: Fact, expired: Fact) -> bool:
    """Whether a hold was shorter in lab time than it should have been: its clock was moved."""
    return expired.lab_ns - held.lab_ns < rules.hold_ns - EARLY_TOLERANCE_NS


def _cause(rules: Rules, numbers: dict[str, int | None]) -> Cause:
    passed_ns = numbers["true_time_passed"] or 0
    return "clock-step" if passed_ns < rules.hold_ns - EARLY_TOLERANCE_NS else "late-receipt"


def _ownership(owned: Fact, held: Fact | None) -> Ownership:
    return Ownership(
        client=owned.node,
        request=owned.request,
        held_lab_ns=held.lab_ns if held else None,
        owned_lab_ns=owned.lab_ns,
    )


def _words(
    rules: Rules, one: Fact, other: Fact, numbers: dict[str, int | None], cause: Cause
) -> str:
    ticket = f"ticket {one.ticket_id}"
    if cause == "reclaimed":
        return f"{ticket}: an operator reclaimed it from {one.node}, who owns it; then {other.node}"

    def after(name: str) -> str:
        since_ns = (numbers[name] or 0) - (numbers["granted_lab"] or 0)
        return f"{since_ns / 1e9:.3f} s"

    ran, passed = (numbers["hold_clock_ran"] or 0) / 1e9, (numbers["true_time_passed"] or 0) / 1e9
    why = f"the hold ({rules.hold_ns / 1e9:g} s) of {one.node} ran out after {passed:.3f} s"
    if cause == "clock-step":
        moved = (numbers["hold_clock_moved"] or 0) / 1e9
        why += f" of true time: the office's clock was moved by {moved:+.3f} s and ran {ran:.3f} s"
    else:
        why += ", before its receipt came"
    return (
        f"{ticket}: {why}; {one.node} owned it {after('first_owned_lab')} after the grant, "
        f"{other.node} was granted it after {after('granted_again_lab')} and owned it after "
        f"{after('second_owned_lab')}"
    )


def chains(facts: Iterable[Fact], start_ns: int) -> dict[str, list[str]]:
    """Per ticket what became of it, in words, seconds counted from `start_ns`."""
    found: dict[int, list[str]] = defaultdict(list)
    for fact in facts:
        if fact.event in MOVES and fact.ticket_id is not None:
            seconds = (fact.lab_ns - start_ns) / 1e9
            whom = f"{fact.client} (request {fact.request})"
            found[fact.ticket_id].append(f"{seconds:.3f} s {MOVES[fact.event]} {whom}")
    return {str(number): found[number] for number in sorted(found)}
