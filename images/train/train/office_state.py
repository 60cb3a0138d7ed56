"""What the office keeps: tickets as sales, its rules, what came of an event. Pure data.

`office.py` sells, `office_tickets.py` is for whom the tickets are made by.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .facts import Fact
from .messages import Body
from .reading import Reading
from .ticket import Ticket


class Protocol(enum.Enum):
    CONFIRMED = "confirmed"
    LITERAL = "literal"


class HoldClock(enum.Enum):
    """The clock that holds are counted on. `wall` is the flaw: an NTP step ends them early."""

    MONOTONIC = "monotonic"
    WALL = "wall"


class State(enum.Enum):
    AVAILABLE = "available"
    HELD = "held"
    TRANSFERRED = "transferred"
    DELETED = "deleted"
    """Received by its owner; what is left here is the tombstone."""
    REMOVED = "removed"
    """Deleted by an operator before it was sold; a tombstone as well."""


@dataclass(frozen=True, slots=True)
class Sale:
    """A ticket as the office keeps it. `client`, `request`: whom it is held for or went to."""

    ticket: Ticket
    state: State = State.AVAILABLE
    client: str | None = None
    request: int | None = None
    deadline_ns: int | None = None
    """Of a hold, on the hold clock."""

    def is_of(self, client: str, request: int) -> bool:
        return (self.client, self.request) == (client, request)


@dataclass(frozen=True, slots=True)
class Rules:
    """What an office is told at start and keeps for life."""

    name: str
    protocol: Protocol = Protocol.CONFIRMED
    hold_clock: HoldClock = HoldClock.MONOTONIC
    hold_ns: int = 5_000_000_000


@dataclass(frozen=True, slots=True)
class Office:
    """`answered`: per client, its last request and the kind of answer it got (for SYNC)."""

    sales: Mapping[int, Sale] = field(default_factory=dict)
    answered: Mapping[str, int] = field(default_factory=dict)
    next_id: int = 1


@dataclass(frozen=True, slots=True)
class Step:
    """What came of an event: the new state, answers to the sender, what there is to log."""

    office: Office
    answers: tuple[Body, ...] = ()
    facts: tuple[Fact, ...] = ()


def hold_now_ns(rules: Rules, reading: Reading) -> int:
    """The hold clock's reading, ns."""
    wall = rules.hold_clock is HoldClock.WALL
    return reading.wall_ns if wall else reading.monotonic_ns


def back_on_sale(rules: Rules, sale: Sale) -> Sale:
    """The ticket as if it had never been held."""
    return Sale(replace(sale.ticket, holder=rules.name))


def with_sales(office: Office, *sales: Sale) -> Office:
    """The office with these in place of what it had under their numbers."""
    if not sales:
        return office
    return replace(office, sales={**office.sales, **{s.ticket.ticket_id: s for s in sales}})
