"""What an operator at the office or a user at a client can do. Each raises `BadValueError` when
it cannot be done now, and then nothing has changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import barrier, cut, office_tickets
from . import client as client_rules
from .client import Client
from .messages import SnapAsk
from .node import Node
from .office_state import Office, Rules
from .snapshot import Snapshot
from .ticket import BadValueError, Ticket, Wish
from .turn import Turn


def create_ticket(
    turn: Turn, *, departure_ns: int, zone: str, origin: str, destination: str,
    price_cents: int | None = None,
) -> int:  # fmt: skip
    """Returns the new ticket's number."""
    office, rules = _office(turn)
    number = office.next_id
    turn.office_step(
        office_tickets.create(
            rules, office, departure_ns=departure_ns, zone=zone, origin=origin,
            destination=destination, price_cents=price_cents,
        )
    )  # fmt: skip
    return number


def create_tickets(turn: Turn, rows: Iterable[Mapping[str, Any]]) -> list[int]:
    """All of them in one event, each as `create_ticket` takes it; returns their numbers."""
    return [create_ticket(turn, **row) for row in rows]


def update_ticket(turn: Turn, ticket: Ticket) -> None:
    """Give an available ticket another journey, departure or price."""
    turn.office_step(office_tickets.update(_office(turn)[0], ticket))


def remove_ticket(turn: Turn, ticket_id: int) -> None:
    """Take an available ticket off sale for good."""
    turn.office_step(office_tickets.remove(_office(turn)[0], ticket_id))


def reclaim_ticket(turn: Turn, ticket_id: int) -> None:
    """UNSAFE, see `office_tickets.reclaim`."""
    office, rules = _office(turn)
    turn.office_step(office_tickets.reclaim(rules, office, ticket_id))


def consult(turn: Turn, wish: Wish) -> int:
    """Returns the query's number; the answer will stand in `Client.info`."""
    turn.client_step(client_rules.consult(_client(turn), wish))
    return _client(turn).query


def reserve(turn: Turn, wish: Wish) -> int:
    """Returns the request's number; how it ends will stand in `Client.outcomes`."""
    turn.client_step(client_rules.reserve(_client(turn), wish))
    return _client(turn).request


def decide(turn: Turn, accept: bool) -> int:
    """The user's word on the offer that waits for it; returns the number of its request."""
    number = _client(turn).request
    turn.client_step(client_rules.decide(_client(turn), accept))
    return number


def take_snapshot(turn: Turn) -> int | None:
    """At the office: start one; returns its epoch. At a client: ask the office for one."""
    if turn.node.office is not None:
        return cut.take(turn)
    turn.send(turn.node.office_name, SnapAsk())
    return None


def reset_snapshot(turn: Turn) -> None:
    """Give up a snapshot that cannot become whole, so that the next may start."""
    _office(turn)
    if turn.node.collection is None:
        raise BadValueError("no snapshot is being taken")
    cut.abandon(turn)


def load_snapshot(turn: Turn, snapshot: Snapshot) -> None:
    """At the office: have everybody go back to the cut."""
    _only_at_office(turn.node)
    barrier.load(turn, snapshot)


def _only_at_office(node: Node) -> Office:
    if node.office is None:
        raise BadValueError(f"{node.name} is a client; this is for the office")
    return node.office


def _office(turn: Turn) -> tuple[Office, Rules]:
    office = _only_at_office(turn.node)
    if turn.rules is None:
        raise ValueError("an office needs its rules")
    _not_halted(turn.node)
    return office, turn.rules


def _client(turn: Turn) -> Client:
    if turn.node.client is None:
        raise BadValueError(f"{turn.node.name} is the office; this is for a client")
    _not_halted(turn.node)
    return turn.node.client


def _not_halted(node: Node) -> None:
    if node.halted:
        raise BadValueError("a snapshot is being loaded; try again when it is")
