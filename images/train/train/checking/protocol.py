"""The reservation protocol alone: `office.handle`, `office.expire` and `client.handle`.

Nothing stands between them here: no channel that drops what came twice, so every message may come
again, late, or never. Time is an event: any hold may end at any moment. Who may hold a ticket is
judged as train.md's properties 1 to 4 say.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator
from dataclasses import dataclass, replace

from .. import client as client_rules
from .. import office as office_rules
from .. import office_tickets
from ..client import Client, Outcome, Stage
from ..messages import KIND_OF, Body
from ..office_state import Office, Protocol, Rules, State
from ..plain import text_of
from ..reading import Reading
from ..ticket import Wish
from .search import Event

Actor = Office | Client
Message = tuple[str, Body]
"""Sender, and what it says."""

OFFICE = "office"
NOW = Reading(0, 0)


@dataclass(frozen=True)
class ProtocolModel:
    """`requests`: how many each client makes. `refusals`: clients may say no to an offer.
    `reclaims`: an operator may sell again what was transferred and not received (unsafe)."""

    protocol: Protocol
    clients: int = 2
    tickets: int = 1
    requests: int = 1
    refusals: bool = True
    restarts: bool = True
    removals: bool = False
    reclaims: bool = False

    @property
    def rules(self) -> Rules:
        return Rules(OFFICE, self.protocol, hold_ns=1)

    @property
    def start(self) -> tuple[Actor, ...]:
        office = Office()
        for _ in range(self.tickets):
            office = office_tickets.create(
                self.rules, office, departure_ns=1, zone="UTC", origin="Paris",
                destination="Lyon", price_cents=None,
            ).office  # fmt: skip
        clients = (Client(f"c{n}", auto_confirm=not self.refusals) for n in range(self.clients))
        return (office, *clients)

    def key(self, state: Actor) -> Hashable:
        return text_of(state)

    def own_events(self, actor: int, state: Actor) -> Iterator[Event[Actor, Message]]:
        if isinstance(state, Office):
            yield from self._office_events(state)
            return
        if state.stage is Stage.IDLE and state.numbers_used < self.requests:
            step = client_rules.reserve(state, Wish())
            yield _client_event(f"{state.name} asks for a ticket", state, step)
        if state.stage is Stage.OFFERED:
            for accept, word in ((True, "confirms"), (False, "refuses")):
                step = client_rules.decide(state, accept)
                yield _client_event(f"{state.name} {word}", state, step)
        if self.restarts and state.request:
            yield _client_event(f"{state.name} restarts", state, client_rules.resync(state))

    def _office_events(self, office: Office) -> Iterator[Event[Actor, Message]]:
        for number, sale in office.sales.items():
            if sale.deadline_ns is not None:
                due = replace(sale, deadline_ns=NOW.monotonic_ns)
                over = replace(office, sales={**office.sales, number: due})
                step = office_rules.expire(self.rules, over, NOW)
                yield Event(f"the hold of ticket {number} ends", step.office)
            if self.removals and sale.state is State.AVAILABLE:
                removed = office_tickets.remove(office, number).office
                yield Event(f"the operator removes ticket {number}", removed)
            if self.reclaims and sale.state is State.TRANSFERRED:
                again = office_tickets.reclaim(self.rules, office, number).office
                yield Event(f"the operator reclaims ticket {number}", again)

    def delivered(self, actor: int, state: Actor, message: Message) -> Event[Actor, Message]:
        sender, body = message
        if isinstance(state, Client):
            return self._at_client(state, body)
        return self._at_office(state, sender, body)

    def _at_office(self, office: Office, sender: str, body: Body) -> Event[Actor, Message]:
        step = office_rules.handle(self.rules, office, sender, body, NOW)
        again = office_rules.handle(self.rules, step.office, sender, body, NOW)
        label = f"office takes {KIND_OF[type(body)]} of {sender}"
        sends = tuple((int(sender[1:]) + 1, (OFFICE, answer)) for answer in step.answers)
        twice = "" if again.office == step.office else f"{label}: a second time changes the state"
        return Event(label, step.office, sends, twice or None)

    def _at_client(self, client: Client, body: Body) -> Event[Actor, Message]:
        step = client_rules.handle(client, body)
        label = f"{client.name} takes {KIND_OF[type(body)]}"
        event = _client_event(label, client, step)
        wrong = went_back(client, step.client)
        if client_rules.handle(step.client, body).client != step.client:
            wrong = "a second time changes the state"
        return replace(event, wrong=f"{label}: {wrong}" if wrong else None)

    def wrong(self, states: tuple[Actor, ...]) -> str | None:
        clients = [state for state in states if isinstance(state, Client)]
        office = next(state for state in states if isinstance(state, Office))
        wrong = wrong_owners(clients) or wrong_numbers(office)
        if wrong is None and self.protocol is Protocol.CONFIRMED:
            return wrong_holders(office, clients)
        return wrong

    def at_rest(self, states: tuple[Actor, ...]) -> bool:
        """Every request made has ended, and every ticket that was handed over is received."""
        office = next(s for s in states if isinstance(s, Office))
        idle = all(s.stage is Stage.IDLE for s in states if isinstance(s, Client))
        return idle and all(s.state is not State.TRANSFERRED for s in office.sales.values())


def _client_event(
    label: str, client: Client, step: client_rules.Step
) -> Event[Actor, Message]:  # fmt: skip
    return Event(label, step.client, tuple((0, (client.name, body)) for body in step.sends))


def went_back(before: Client, after: Client) -> str | None:
    """Property 3: what has ended stays as it ended, what is owned stays owned."""
    if any(after.outcomes.get(request) != how for request, how in before.outcomes.items()):
        return "a request ended twice"
    if any(after.owned.get(request) != ticket for request, ticket in before.owned.items()):
        return "an owned ticket is gone"
    return None


def wrong_owners(clients: Iterable[Client]) -> str | None:
    """Property 1: the first ticket that more than one has."""
    owners: dict[int, str] = {}
    for client in clients:
        for ticket in client.owned.values():
            if ticket.ticket_id in owners:
                first = owners[ticket.ticket_id]
                return f"ticket {ticket.ticket_id} is owned twice: by {first} and {client.name}"
            owners[ticket.ticket_id] = client.name
    return None


def wrong_numbers(office: Office) -> str | None:
    """Property 1: every ticket created is in one state or another. Not so after a load: tickets
    that were created after the cut are gone with all else, but their numbers stay used."""
    gone = set(range(1, office.next_id)) - set(office.sales)
    return f"ticket {min(gone)} was created and is gone" if gone else None


def wrong_holders(office: Office, clients: Iterable[Client]) -> str | None:
    """Properties 1 and 2 of `confirmed`: what is wrong about who holds which ticket."""
    by_name = {client.name: client for client in clients}
    for name, client in by_name.items():
        for request, ticket in client.owned.items():
            sale = office.sales.get(ticket.ticket_id)
            gone = sale is not None and sale.state in (State.TRANSFERRED, State.DELETED)
            if sale is None or not gone or not sale.is_of(name, request):
                return f"{name} owns ticket {ticket.ticket_id}, which the office has not given it"
    return _wrong_sales(office, by_name)


def _wrong_sales(office: Office, clients: dict[str, Client]) -> str | None:
    """What the office believes against what its clients have."""
    if any(number >= office.next_id for number in office.sales):
        return "a ticket has a number that is yet to be given"
    for number, sale in office.sales.items():
        bound = sale.state in (State.HELD, State.TRANSFERRED, State.DELETED)
        if bound != (sale.client is not None):
            return f"ticket {number} is {sale.state.value} and has holder {sale.client}"
        client = clients.get(sale.client or "")
        if client is None or sale.request is None:
            continue
        if sale.state is State.DELETED and sale.request not in client.owned:
            return f"ticket {number} is received by {client.name}, which does not own it"
        over = client.outcomes.get(sale.request)
        if over in (Outcome.NONE, Outcome.EXPIRED):
            return f"ticket {number} is {sale.state.value} for {client.name}'s ended request"
    return None
