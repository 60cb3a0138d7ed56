"""Who came to own which ticket, in the order in which the office granted it. Before sales.py."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from .facts import Fact, TrainEvidence

Place = tuple[int, int]
"""generation, ticket: loading a snapshot begins the next generation"""


@dataclass(frozen=True)
class Owned:
    """One sale: the client's word that it owns the ticket, and the grant that led to it."""

    fact: Fact
    held: Fact | None

    @property
    def order_ns(self) -> int:
        """Grants are in the order of sales; tickets may be under way for so long that the second
        client has its own before the first."""
        return self.held.lab_ns if self.held else self.fact.lab_ns


def pairs(train: TrainEvidence) -> Iterator[tuple[int, Owned, Owned]]:
    """(generation, one sale, the next of the same ticket), where both buyers own it."""
    for (generation, _), owned in sorted(_owners(train).items()):
        for one, other in pairwise(owned):
            yield generation, one, other


def _owners(train: TrainEvidence) -> Mapping[Place, list[Owned]]:
    """Every sale once.

    A load carries over what the cut has: nodes' own accounts tell, so a sale of an earlier
    generation counts in those that it lived on into.
    """
    by_ticket: dict[int, list[Fact]] = defaultdict(list)
    found: dict[Place, dict[tuple[str, int | None], Fact]] = defaultdict(dict)
    first: dict[tuple[int, str], Fact] = {}
    for fact in train.facts:
        if fact.ticket_id is None:
            continue
        by_ticket[fact.ticket_id].append(fact)
        if fact.event == "ticket.owned":
            sale = (fact.node, fact.request)
            found[fact.generation, fact.ticket_id].setdefault(sale, fact)
            first.setdefault((fact.ticket_id, fact.node), fact)
    for account in train.accounts:
        if account.node == train.rules.office:
            continue
        for number in (int(ticket["ticket_id"]) for ticket in account.tickets):
            here = found[account.generation, number]
            if all(client != account.node for client, _ in here):
                told = Fact(account.lab_ns, account.node, "ticket.owned", number, account.node)
                known = first.get((number, account.node), told)
                here[known.node, known.request] = known
    return {place: _by_grant(sales.values(), by_ticket[place[1]]) for place, sales in found.items()}


def _by_grant(owned: Iterable[Fact], facts: list[Fact]) -> list[Owned]:
    """`facts`: all of that ticket."""
    sales = [Owned(fact, last_before(facts, "ticket.held", fact)) for fact in owned]
    return sorted(sales, key=lambda sale: sale.order_ns)


def last_before(facts: Iterable[Fact], event: str, owned: Fact) -> Fact | None:
    """The office's last word of that kind on the sale, before the client owned the ticket."""
    fitting = [fact for fact in _of(facts, event, owned) if fact.lab_ns <= owned.lab_ns]
    return fitting[-1] if fitting else None


def first_after(facts: Iterable[Fact], event: str, owned: Fact, since: Fact | None) -> Fact | None:
    """The office's first word of that kind on the sale, from `since` on."""
    since_ns = since.lab_ns if since else 0
    return next((fact for fact in _of(facts, event, owned) if fact.lab_ns >= since_ns), None)


def _of(facts: Iterable[Fact], event: str, owned: Fact) -> Iterator[Fact]:
    """Facts of the office about the sale that `owned` ended."""
    for fact in facts:
        same = (fact.client, fact.request) == (owned.node, owned.request)
        if fact.event == event and same:
            yield fact
