"""What a node knows, and what comes out of an event. Pure data; `turn.py` changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .channel import Link
from .client import Client
from .envelope import Envelope, check_node_name
from .facts import Fact
from .office_state import Office, Rules
from .snapshot import Collection, Snapshot
from .window import Window

MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Settings:
    """What every node of a system is told alike, at each start.

    `hops`: hop limit of new messages. `retry_ns`: when an unacknowledged message is sent again,
    doubling up to `retry_max_ns`. `ack_wait_ns`: how long an acknowledgment waits for a message
    that could carry it. `vectors`: carry vector clocks, for checking.
    """

    hops: int = 64
    retry_ns: int = 500 * MS
    retry_max_ns: int = 8_000 * MS
    ack_wait_ns: int = 200 * MS
    vectors: bool = False


@dataclass(frozen=True, slots=True)
class Seen:
    """Which messages of an origin's latest incarnation passed here."""

    incarnation: int
    window: Window = field(default_factory=Window)


@dataclass(frozen=True, slots=True)
class Loading:
    """The office's wait for everybody to have loaded."""

    waiting_for: frozenset[str]


@dataclass(frozen=True, slots=True)
class Node:
    """Everything that survives a crash. One of `office` and `client` is set."""

    name: str
    office_name: str
    office: Office | None = None
    client: Client | None = None
    incarnation: int = 0
    """How often it was started."""
    sequence: int = 0
    lamport: int = 0
    vector: Mapping[str, int] = field(default_factory=dict)
    seen: Mapping[str, Seen] = field(default_factory=dict)
    links: Mapping[str, Link] = field(default_factory=dict)
    """By peer: the office for a client, every known client for the office."""
    epoch: int = 0
    balance: int = 0
    generation: int = 0
    halted: bool = False
    """Between LOAD and RESUME."""
    collection: Collection | None = None
    loading: Loading | None = None
    load_pieces: Mapping[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """The node after an event; `sends` go to every neighbor; the shell writes `snapshots`."""

    node: Node
    sends: tuple[Envelope, ...] = ()
    facts: tuple[Fact, ...] = ()
    snapshots: tuple[Snapshot, ...] = ()


def new_office(rules: Rules, clients: frozenset[str] = frozenset()) -> Node:
    """An office that knows `clients`; others become known when they first write."""
    check_node_name(rules.name)
    links = {check_node_name(name): Link() for name in sorted(clients)}
    return Node(rules.name, rules.name, office=Office(), links=links)


def new_client(name: str, office_name: str, *, auto_confirm: bool = True) -> Node:
    """A client of that office."""
    check_node_name(office_name)
    client = Client(check_node_name(name), auto_confirm)
    return Node(name, office_name, client=client, links={office_name: Link()})
