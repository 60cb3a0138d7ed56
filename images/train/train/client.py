"""A client: at most one request outstanding, and the tickets it owns. Pure, like the office.

idle -> requesting -> (offered ->) confirming -> idle. In *confirming* it never gives up: the
office may have transferred the ticket already.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from .facts import Fact
from .messages import (
    Body,
    Confirm,
    Expired,
    Info,
    NoTicket,
    Offer,
    Query,
    Receipt,
    Refuse,
    Req,
    Sync,
    TicketSent,
)  # fmt: skip
from .ticket import BadValueError, Ticket, Wish


class Stage(enum.Enum):
    IDLE = "idle"
    REQUESTING = "requesting"
    OFFERED = "offered"
    """Waits for its user's word; only with `auto_confirm` off."""
    CONFIRMING = "confirming"


class Outcome(enum.Enum):
    OWNED = "owned"
    NONE = "none"
    EXPIRED = "expired"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Client:
    """`owned`: tickets by the request that got them. `outcomes`: how each request ended."""

    name: str
    auto_confirm: bool = True
    stage: Stage = Stage.IDLE
    request: int = 0
    """Number of the request that `stage` speaks of; they start at 1."""
    numbers_used: int = 0
    """The highest request number ever used; loading a snapshot does not lower it."""
    offer: Ticket | None = None
    owned: Mapping[int, Ticket] = field(default_factory=dict)
    outcomes: Mapping[int, Outcome] = field(default_factory=dict)
    query: int = 0
    info: Info | None = None
    """The last consultation's answer."""


@dataclass(frozen=True, slots=True)
class Step:
    """What came of an event: the client's new state, messages to the office, facts to log."""

    client: Client
    sends: tuple[Body, ...] = ()
    facts: tuple[Fact, ...] = ()


def consult(client: Client, wish: Wish) -> Step:
    """Ask what there is; changes nothing at the office."""
    asked = replace(client, query=client.query + 1, info=None)
    return Step(asked, (Query(asked.query, wish),))


def reserve(client: Client, wish: Wish) -> Step:
    """Ask for one ticket. Raises `BadValueError` while another request is outstanding."""
    if client.stage is not Stage.IDLE:
        raise BadValueError(
            f"request {client.request} of {client.name} is still {client.stage.value}"
        )
    number = client.numbers_used + 1
    asked = replace(client, stage=Stage.REQUESTING, request=number, numbers_used=number)
    fact = Fact("request.sent", None, client.name, asked.request)
    return Step(asked, (Req(asked.request, wish),), (fact,))


def decide(client: Client, accept: bool) -> Step:
    """The user's word on an offer. Raises `BadValueError` where there is none."""
    if client.stage is not Stage.OFFERED:
        raise BadValueError(f"{client.name} has no offer to answer: it is {client.stage.value}")
    if accept:
        return Step(replace(client, stage=Stage.CONFIRMING), (Confirm(client.request),))
    ended = _end(client, Outcome.REFUSED)
    return replace(ended, sends=(Refuse(client.request),))


def resync(client: Client) -> Step:
    """After a restart: find out where the last request stands."""
    return Step(client, (Sync(client.request),))


def handle(client: Client, body: Body) -> Step:
    """Take the office's message; one that is out of date changes nothing."""
    match body:
        case Info(query, _, _):
            return Step(replace(client, info=body) if query == client.query else client)
        case Offer(request, ticket, _):
            return _offered(client, request, ticket)
        case NoTicket(request):
            return _over(client, request, Outcome.NONE)
        case Expired(request):
            return _over(client, request, Outcome.EXPIRED)
        case TicketSent(request, ticket):
            return _owned(client, request, ticket)
        case _:
            return Step(client)


def _offered(client: Client, request: int, ticket: Ticket) -> Step:
    if request != client.request or client.stage is not Stage.REQUESTING:
        return Step(client)
    offered = replace(client, stage=Stage.OFFERED, offer=ticket)
    return decide(offered, True) if client.auto_confirm else Step(offered)


def _over(client: Client, request: int, outcome: Outcome) -> Step:
    if request != client.request or client.stage is Stage.IDLE:
        return Step(client)
    return _end(client, outcome)


def _owned(client: Client, request: int, ticket: Ticket) -> Step:
    """Own it, and say so every time the office sends it."""
    receipt = Receipt(request, ticket.ticket_id)
    if request in client.owned:
        return Step(client, (receipt,))
    if request != client.request or client.stage is Stage.IDLE:
        return Step(
            client, facts=(Fact("ticket.unwanted", ticket.ticket_id, client.name, request),)
        )
    ended = _end(replace(client, owned={**client.owned, request: ticket}), Outcome.OWNED)
    fact = Fact("ticket.owned", ticket.ticket_id, client.name, request)
    return Step(ended.client, (receipt,), (fact,))


def _end(client: Client, outcome: Outcome) -> Step:
    ended = replace(
        client,
        stage=Stage.IDLE,
        offer=None,
        outcomes={**client.outcomes, client.request: outcome},
    )
    return Step(ended, facts=(Fact(f"request.{outcome.value}", None, client.name, client.request),))
