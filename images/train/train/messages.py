"""Every message of the protocol. Pure data; `codec.py` writes and reads them.

Application messages are counted by snapshots and restored by them. Control messages (snapshot,
load) and the bare acknowledgment are not. QUERY and INFO change nothing at either end: they are
neither counted nor repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

from .ticket import Ticket, Wish


@dataclass(frozen=True, slots=True)
class Query:
    """Client: which tickets are there? (founding document: consultation)"""

    query: int
    wish: Wish


@dataclass(frozen=True, slots=True)
class Info:
    """Office: these, at most; `total` counts them all."""

    query: int
    total: int
    tickets: tuple[Ticket, ...]


@dataclass(frozen=True, slots=True)
class Req:
    """Client: reserve me one. (founding document: réservation)"""

    request: int
    wish: Wish


@dataclass(frozen=True, slots=True)
class Offer:
    """Office: this one is held for you so long; do you confirm? (demande de confirmation)"""

    request: int
    ticket: Ticket
    hold_ns: int


@dataclass(frozen=True, slots=True)
class NoTicket:
    """Office: there is none."""

    request: int


@dataclass(frozen=True, slots=True)
class Confirm:
    """Client: yes. (confirmation de réservation)"""

    request: int


@dataclass(frozen=True, slots=True)
class Refuse:
    """Client: no."""

    request: int


@dataclass(frozen=True, slots=True)
class Expired:
    """Office: that request is over, without a ticket."""

    request: int


@dataclass(frozen=True, slots=True)
class TicketSent:
    """Office: the ticket, now yours. (message avec billet)"""

    request: int
    ticket: Ticket


@dataclass(frozen=True, slots=True)
class Receipt:
    """Client: I have it. (accusé de réception)"""

    request: int
    ticket_id: int


@dataclass(frozen=True, slots=True)
class ReceiptAck:
    """Office: and I know that you have it."""

    request: int


@dataclass(frozen=True, slots=True)
class Sync:
    """Client, after a restart: this was my last request."""

    request: int


@dataclass(frozen=True, slots=True)
class Synced:
    """Office: this is the last one I know of; its last answer follows again."""

    request: int


@dataclass(frozen=True, slots=True)
class SnapAsk:
    """Client: please take a snapshot. Only the office starts one."""


@dataclass(frozen=True, slots=True)
class Snap:
    """Office: wakes a silent node; the envelope's epoch turns it."""

    epoch: int


@dataclass(frozen=True, slots=True)
class StatePart:
    """A node's recorded state, in `parts` pieces of text numbered from 0."""

    epoch: int
    part: int
    parts: int
    text: str
    digest: str
    """sha256 of the whole text, hex."""


@dataclass(frozen=True, slots=True)
class Prepost:
    """An application message that crossed the cut: sent before it, received after."""

    epoch: int
    origin: str
    destination: str
    uid: int
    kind: str
    text: str


@dataclass(frozen=True, slots=True)
class SnapDone:
    """Office: the snapshot is whole; the next may start. (message reset snapshot)"""

    epoch: int


@dataclass(frozen=True, slots=True)
class LoadPart:
    """Office: stop, and take up this state in the new generation; in pieces like `StatePart`."""

    epoch: int
    generation: int
    part: int
    parts: int
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class Loaded:
    """Client: loaded, and waiting."""

    generation: int


@dataclass(frozen=True, slots=True)
class Resume:
    """Office: everybody has loaded; go on."""

    generation: int


@dataclass(frozen=True, slots=True)
class Ack:
    """Nothing but the envelope's acknowledgments."""


Stateless = Query | Info
Application = (
    Req | Offer | NoTicket | Confirm | Refuse | Expired
    | TicketSent | Receipt | ReceiptAck | Sync | Synced
)  # fmt: skip
Control = SnapAsk | Snap | StatePart | Prepost | SnapDone | LoadPart | Loaded | Resume
Body = Stateless | Application | Control | Ack

KINDS: dict[str, type[Body]] = {
    "QUERY": Query, "INFO": Info, "REQ": Req, "OFFER": Offer, "NONE": NoTicket,
    "CONFIRM": Confirm, "REFUSE": Refuse, "EXPIRED": Expired, "TICKET": TicketSent,
    "RECEIPT": Receipt, "RECEIPT_ACK": ReceiptAck, "SYNC": Sync, "SYNCED": Synced,
    "SNAP_ASK": SnapAsk, "SNAP": Snap, "STATE": StatePart, "PREPOST": Prepost,
    "SNAP_DONE": SnapDone, "LOAD": LoadPart, "LOADED": Loaded, "RESUME": Resume, "ACK": Ack,
}  # fmt: skip
"""Every message by the name it has on the wire."""

KIND_OF: dict[type[Body], str] = {type_: kind for kind, type_ in KINDS.items()}
