"""What a node did, for its log and the evidence. Pure data."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """`ticket_id`, `client` and `request` where the event has them.

    Office: ticket.created, ticket.updated, ticket.removed, ticket.held, hold.expired,
    hold.refused, ticket.transferred, ticket.sold, ticket.reclaimed, receipt.conflict.
    Client: request.sent, request.owned, request.none, request.expired, request.refused,
    ticket.owned, ticket.unwanted.
    Snapshots: snapshot.started, snapshot.recorded, snapshot.whole, snapshot.damaged; load.started,
    load.taken_up, load.resumed, load.damaged.
    """

    event: str
    ticket_id: int | None = None
    client: str | None = None
    request: int | None = None
