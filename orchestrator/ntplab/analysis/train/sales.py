"""Who owned which ticket, which were sold twice, and why each of those could be.

The inequality of `literal`: the office's hold of the first sale ran out on its hold clock before
the receipt came, so the ticket was back in circulation when the second client was held for. The
hold clock ran `expired - granted`, at least the hold; how much of that was true time tells a late
receipt from a clock that was stepped. `confirmed` has no such inequality: a double sale of it is
unexplained, whatever the clocks did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from ..train_results import Cause, DoubleSale, Ownership
from .facts import Fact, Rules, TrainEvidence

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

Sale = tuple[int, str, int | None]
"""ticket, client, request"""


def owners(train: TrainEvidence) -> dict[tuple[int, int], list[Fact]]:
    """(generation, ticket) -> the `ticket.owned` facts of its owners there, by time.

    A load carries over what the cut has: nodes' own accounts tell, so a sale of an earlier
    generation counts in those that it lived on into.
    """
    first: dict[tuple[int, str], Fact] = {}
    found: dict[tuple[int, int], dict[str, Fact]] = defaultdict(dict)
    for fact in train.facts:
        if fact.event == "ticket.owned" and fact.ticket_id is not None:
            found[fact.generation, fact.ticket_id].setdefault(fact.node, fact)
            first.setdefault((fact.ticket_id, fact.node), fact)
    for account in train.accounts:
        if account.node == train.rules.office:
            continue
        for ticket in account.tickets:
            number = int(ticket["ticket_id"])
            told = Fact(account.lab_ns, account.node, "ticket.owned", number, account.node)
            known = first.get((number, account.node), told)
            found[account.generation, number].setdefault(account.node, known)
    return {
        key: sorted(by_client.values(), key=lambda fact: fact.lab_ns)
        for key, by_client in found.items()
    }


def double_sales(train: TrainEvidence) -> list[DoubleSale]:
    """Every pair of consecutive owners of one ticket, once, by the second one's time."""
    found: dict[tuple[Sale, Sale], DoubleSale] = {}
    by_ticket: dict[int, list[Fact]] = defaultdict(list)
    for fact in train.facts:
        if fact.ticket_id is not None:
            by_ticket[fact.ticket_id].append(fact)
    for (generation, ticket), owning in sorted(owners(train).items()):
        for one, other in pairwise(owning):
            key = (_sale(ticket, one), _sale(ticket, other))
            if key not in found:
                found[key] = explain(train.rules, generation, one, other, by_ticket[ticket])
    return sorted(found.values(), key=lambda sale: sale.second.owned_lab_ns)


def _sale(ticket: int, fact: Fact) -> Sale:
    return (ticket, fact.node, fact.request)


def explain(
    rules: Rules, generation: int, one: Fact, other: Fact, facts: Sequence[Fact]
) -> DoubleSale:
    """Put the numbers of one double sale into the inequality. `facts`: all of that ticket."""
    held = _last(facts, "ticket.held", one, before_ns=one.lab_ns)
    again = _last(facts, "ticket.held", other, before_ns=other.lab_ns)
    expired = _first(facts, "hold.expired", one, after=held)
    reclaimed = _first(facts, "ticket.reclaimed", one, after=held)
    received = _first(facts, "ticket.sold", one, after=held)
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


def _last(facts: Iterable[Fact], event: str, owned: Fact, *, before_ns: int) -> Fact | None:
    fitting = [f for f in _of(facts, event, owned) if f.lab_ns <= before_ns]
    return fitting[-1] if fitting else None


def _first(facts: Iterable[Fact], event: str, owned: Fact, *, after: Fact | None) -> Fact | None:
    since_ns = after.lab_ns if after else 0
    return next((f for f in _of(facts, event, owned) if f.lab_ns >= since_ns), None)


def _of(facts: Iterable[Fact], event: str, owned: Fact) -> Iterator[Fact]:
    """Facts of the office about the sale that `owned` ended."""
    for fact in facts:
        same = (fact.client, fact.request) == (owned.node, owned.request)
        if fact.event == event and same:
            yield fact


def chains(facts: Iterable[Fact], start_ns: int) -> dict[str, list[str]]:
    """Per ticket what became of it, in words, seconds counted from `start_ns`."""
    found: dict[int, list[str]] = defaultdict(list)
    for fact in facts:
        if fact.event in MOVES and fact.ticket_id is not None:
            seconds = (fact.lab_ns - start_ns) / 1e9
            whom = f"{fact.client} (request {fact.request})"
            found[fact.ticket_id].append(f"{seconds:.3f} s {MOVES[fact.event]} {whom}")
    return {str(number): found[number] for number in sorted(found)}
