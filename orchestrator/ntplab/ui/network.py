"""The train system on the page: who holds which ticket, messages on their way, snapshots' cuts.

Part of the model. All of it comes from what the nodes say of themselves: the sender's fact is
when a message left, the receiver's when it was there. Nobody watches it in between.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MESSAGES_MAX = 1200
CUTS_MAX = 20

AVAILABLE, HELD, SOLD, TWICE, REMOVED = range(5)
"""What a ticket looks like: TWICE when two clients own it."""
STATES = {
    "ticket.created": AVAILABLE, "ticket.held": HELD, "hold.expired": AVAILABLE,
    "hold.refused": AVAILABLE, "ticket.transferred": SOLD, "ticket.sold": SOLD,
    "ticket.reclaimed": AVAILABLE, "ticket.removed": REMOVED,
}  # fmt: skip
OFFICE_SAYS = {"transferred": SOLD, "deleted": SOLD, "held": HELD, "removed": REMOVED}

Row = Mapping[str, Any]
Plain = dict[str, Any]


def network_of(plan: Mapping[str, Any] | None) -> Plain | None:
    """What the page needs of the train part of a plan: who is there, and who sends to whom."""
    if plan is None:
        return None
    return {key: plan[key] for key in ("office", "clients", "neighbors", "protocol")}


@dataclass
class Ticket:
    """`owners`: what each client that owns it said when it got it."""

    state: int = AVAILABLE
    held_for: str | None = None
    owners: dict[str, Row] = field(default_factory=dict)

    def plain(self) -> list[Any]:
        """State and holders, for the page."""
        if len(self.owners) > 1:
            return [TWICE, list(self.owners)]
        if self.owners:
            return [SOLD, list(self.owners)]
        return [self.state, [self.held_for] if self.held_for else []]


@dataclass
class Cut:
    """A snapshot: when each node recorded itself, in ms; `crossing`: messages over the cut."""

    epoch: int
    at: dict[str, float] = field(default_factory=dict)
    whole: bool = False
    crossing: list[list[str]] | None = None

    def plain(self) -> Plain:
        """For the page."""
        return {"epoch": self.epoch, "at": dict(self.at), "whole": self.whole,
                "crossing": self.crossing}  # fmt: skip


class Network:
    """`plan`: as `network_of` gives it."""

    def __init__(self, plan: Mapping[str, Any]) -> None:
        self.office = str(plan["office"])
        self._literal = plan["protocol"] == "literal"
        self.tickets: dict[int, Ticket] = {}
        self._messages: dict[tuple[str, str, int], list[Any]] = {}
        self._came: dict[tuple[str, str, int], float] = {}
        """arrivals told before the departure: every node's facts come by a way of their own"""
        self._cuts: dict[int, Cut] = {}
        self._last: Mapping[str, Any] | None = None
        self._new_tickets: set[int] = set()
        self._new_messages: dict[tuple[str, str, int], list[Any]] = {}
        self._new_cuts: set[int] = set()
        self._renewed = False

    # what the nodes say

    def fact(self, row: Row) -> Ticket | None:
        """Take one fact; the ticket that it is about, if it is about one."""
        event, at_ms = str(row["event"]), row["lab_ns"] / 1e6
        if event.startswith("snapshot."):
            self._cut(event, row, at_ms)
        if event == "load.started":
            self._go_back()
        self._travel(event, row, at_ms)
        number = row.get("ticket_id")
        if number is None:
            return None
        ticket = self.tickets.setdefault(int(number), Ticket())
        if event in STATES:
            ticket.state = STATES[event]
            ticket.held_for = row.get("client") if event == "ticket.held" else None
        elif event == "ticket.owned":
            ticket.owners.setdefault(str(row["node"]), row)
        self._new_tickets.add(int(number))
        return ticket

    def snapshot(self, row: Row) -> None:
        """A whole snapshot: what crosses its cut, and what a load of it would bring back."""
        inner = json.loads(row["document"])["snapshot"]
        cut = self._of_epoch(int(row["epoch"]))
        cut.crossing = [[str(p[key]) for key in ("origin", "destination", "kind")]
                        for p in inner["preposts"]]  # fmt: skip
        self._last = inner

    def _cut(self, event: str, row: Row, at_ms: float) -> None:
        cut = self._of_epoch(int(row.get("epoch") or 0))
        if event in ("snapshot.started", "snapshot.recorded"):
            cut.at[str(row["node"])] = at_ms
        elif event == "snapshot.whole":
            cut.whole = True

    def _of_epoch(self, epoch: int) -> Cut:
        self._new_cuts.add(epoch)
        if epoch not in self._cuts:
            self._cuts[epoch] = Cut(epoch)
            while len(self._cuts) > CUTS_MAX:
                del self._cuts[next(iter(self._cuts))]
        return self._cuts[epoch]

    def _go_back(self) -> None:
        """Everybody loads the last snapshot: tickets are what its parts say."""
        parts = dict(self._last["parts"]) if self._last else {}
        if not parts:
            return
        self.tickets = {}
        for row in (sale[1] for sale in parts[self.office]["office"]["sales"]):
            state = OFFICE_SAYS.get(row["state"], AVAILABLE)
            held_for = row["client"] if state == HELD else None
            self.tickets[int(row["ticket"]["ticket_id"])] = Ticket(state, held_for)
        for name, part in parts.items():
            for request, owned in (part.get("client") or {"owned": []})["owned"]:
                ticket = self.tickets.setdefault(int(owned["ticket_id"]), Ticket(SOLD))
                ticket.owners[name] = {"node": name, "client": name, "request": request}
        self._messages.clear()
        self._came.clear()
        self._renewed = True

    def _travel(self, event: str, row: Row, at_ms: float) -> None:
        client, request = row.get("client"), row.get("request")
        if client is None or request is None:
            return
        client, request, ticket = str(client), int(request), row.get("ticket_id")
        match event:
            case "request.sent":
                self._leaves("request", client, request, [client, self.office], at_ms, None)
            case "ticket.held":
                self._arrives("request", client, request, at_ms)
                kind = "ticket" if self._literal else "offer"
                self._leaves(kind, client, request, [self.office, client], at_ms, ticket)
            case "ticket.transferred":
                self._arrives("offer", client, request, at_ms)
                self._leaves("ticket", client, request, [self.office, client], at_ms, ticket)
            case "ticket.owned":
                self._arrives("ticket", client, request, at_ms)
                self._leaves("receipt", client, request, [client, self.office], at_ms, ticket)
            case "ticket.sold" | "receipt.conflict":
                self._arrives("receipt", client, request, at_ms)
            case "request.none" | "request.expired" | "request.refused":
                for kind in ("request", "offer"):
                    self._arrives(kind, client, request, at_ms)

    def _leaves(
        self, kind: str, client: str, request: int, way: list[str], at_ms: float, ticket: Any
    ) -> None:
        key = (kind, client, request)
        if key not in self._messages:
            came_ms = self._came.pop(key, None)
            self._messages[key] = self._new_messages[key] = [kind, *way, at_ms, came_ms, ticket]
            while len(self._messages) > MESSAGES_MAX:
                del self._messages[next(iter(self._messages))]

    def _arrives(self, kind: str, client: str, request: int, at_ms: float) -> None:
        key = (kind, client, request)
        message = self._messages.get(key)
        if message is None:
            self._came[key] = at_ms
            while len(self._came) > MESSAGES_MAX:
                del self._came[next(iter(self._came))]
        elif message[4] is None:
            message[4] = at_ms
            self._new_messages[key] = message

    # out to the page

    def plain(self) -> Plain:
        """Everything: [kind, from, to, left ms, came ms or null, ticket or null] by message."""
        return {
            "tickets": {str(number): one.plain() for number, one in self.tickets.items()},
            "messages": {_id(key): list(one) for key, one in self._messages.items()},
            "cuts": [cut.plain() for cut in self._cuts.values()],
            "all": True,
        }

    def changes(self) -> Plain:
        """What is new since this was asked last."""
        if self._renewed:
            new = self.plain()
        else:
            new = {
                "tickets": {str(n): self.tickets[n].plain() for n in sorted(self._new_tickets)},
                "messages": {_id(key): list(one) for key, one in self._new_messages.items()},
                "cuts": [self._cuts[n].plain() for n in self._new_cuts if n in self._cuts],
            }
        self._renewed = False
        self._new_tickets, self._new_cuts, self._new_messages = set(), set(), {}
        return new


def _id(key: tuple[str, str, int]) -> str:
    return f"{key[0]} {key[1]} {key[2]}"
