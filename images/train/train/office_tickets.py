"""The office's tickets as an operator makes, changes and removes them. Pure, like `office.py`."""

from __future__ import annotations

from dataclasses import replace

from .facts import Fact
from .office_state import Office, Rules, Sale, State, Step, back_on_sale, with_sales
from .ticket import BadValueError, Ticket

_IN_WORDS = {
    State.HELD: "held for {}",
    State.TRANSFERRED: "on its way to {}",
    State.DELETED: "sold to {}",
    State.REMOVED: "off sale already",
}


def create(
    rules: Rules, office: Office, *, departure_ns: int, zone: str, origin: str, destination: str,
    price_cents: int | None,
) -> Step:  # fmt: skip
    """A new ticket, AVAILABLE, under a number that was never used. Raises `BadValueError`."""
    ticket = Ticket(
        office.next_id, departure_ns, zone, origin, destination, rules.name, price_cents
    )
    grown = replace(with_sales(office, Sale(ticket)), next_id=office.next_id + 1)
    return Step(grown, facts=(Fact("ticket.created", ticket.ticket_id, None, None),))


def update(office: Office, ticket: Ticket) -> Step:
    """Change an AVAILABLE ticket's journey or price. Raises `BadValueError`."""
    sale = _only_available(office, ticket.ticket_id, "change")
    changed = replace(sale, ticket=replace(ticket, holder=sale.ticket.holder))
    fact = Fact("ticket.updated", ticket.ticket_id, None, None)
    return Step(with_sales(office, changed), facts=(fact,))


def remove(office: Office, ticket_id: int) -> Step:
    """Take an AVAILABLE ticket off sale for good. Raises `BadValueError`."""
    sale = _only_available(office, ticket_id, "delete")
    fact = Fact("ticket.removed", ticket_id, None, None)
    return Step(with_sales(office, replace(sale, state=State.REMOVED)), facts=(fact,))


def reclaim(rules: Rules, office: Office, ticket_id: int) -> Step:
    """Sell again what a client that is dead for good has not acknowledged.

    UNSAFE: if that client comes back, two hold the ticket. For an operator only. Raises
    `BadValueError`.
    """
    sale = office.sales.get(ticket_id)
    if sale is None or sale.state is not State.TRANSFERRED:
        raise BadValueError(f"ticket {ticket_id}: only one that is TRANSFERRED can be reclaimed")
    fact = Fact("ticket.reclaimed", ticket_id, sale.client, sale.request)
    return Step(with_sales(office, back_on_sale(rules, sale)), facts=(fact,))


def _only_available(office: Office, ticket_id: int, verb: str) -> Sale:
    sale = office.sales.get(ticket_id)
    if sale is None:
        raise BadValueError(f"ticket {ticket_id}: there is none to {verb}")
    if sale.state is not State.AVAILABLE:
        raise BadValueError(
            f"ticket {ticket_id} is {_IN_WORDS[sale.state].format(sale.client)}: only an available "
            f"one can be {verb}d"
        )
    return sale
