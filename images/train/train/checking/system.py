"""Whole nodes: channels, snapshots, loading and restarts, by `deliver` and `commands`.

Messages go straight to their receiver; forwarding is tested elsewhere. Stamps are left out, since
nothing is decided by them: else the same state would come in every order of its past. A crash loses
nothing but what is under way: the state on disk is that of the last event, so it is a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, replace

from .. import commands, deliver
from ..client import Stage
from ..envelope import Envelope
from ..messages import KIND_OF
from ..node import Node, Result, Settings, new_client, new_office
from ..office_state import Protocol, Rules, State
from ..plain import text_of
from ..reading import Reading
from ..snapshot import Snapshot, crossing
from ..ticket import Wish
from ..turn import Turn
from .protocol import OFFICE, wrong_holders, wrong_numbers, wrong_owners
from .search import Event

NOW = Reading(0, 0)
HOLDS_END = Reading(1, 1)
REPEAT = Reading(100, 1)
"""Late enough for everything that was sent at `NOW` to be sent again, once."""
SETTINGS = Settings(hops=0, retry_ns=10, retry_max_ns=1000, ack_wait_ns=10)
DEPARTURE_NS = 1_000


@dataclass(frozen=True, slots=True)
class Site:
    """A node; `saved` is the office's last snapshot."""

    node: Node
    saved: Snapshot | None = None


@dataclass(frozen=True)
class SystemModel:
    """Each bound is of one node; `snapshots` and `loads` are the office's."""

    clients: int = 1
    tickets: int = 1
    requests: int = 1
    snapshots: int = 0
    loads: int = 0
    restarts: int = 0
    repeats: bool = False

    @property
    def rules(self) -> Rules:
        return Rules(OFFICE, Protocol.CONFIRMED, hold_ns=1)

    @property
    def names(self) -> tuple[str, ...]:
        return (OFFICE, *(f"c{number}" for number in range(self.clients)))

    @property
    def start(self) -> tuple[Site, ...]:
        office = self._started(new_office(self.rules, frozenset(self.names[1:])))
        for _ in range(self.tickets):
            turn = Turn(office, SETTINGS, self.rules, NOW)
            commands.create_ticket(
                turn, departure_ns=DEPARTURE_NS, zone="UTC", origin="Paris", destination="Lyon"
            )
            office = turn.node
        clients = (self._started(new_client(name, OFFICE)) for name in self.names[1:])
        return tuple(Site(node) for node in (office, *clients))

    def _started(self, node: Node) -> Node:
        return deliver.start(node, SETTINGS, self._rules_of(node), NOW).node

    def _rules_of(self, node: Node) -> Rules | None:
        return self.rules if node.office is not None else None

    def key(self, state: Site) -> Hashable:
        return text_of(state)

    def own_events(self, actor: int, state: Site) -> Iterator[Event[Site, Envelope]]:
        node, rules = state.node, self._rules_of(state.node)
        if node.incarnation <= self.restarts:
            again = deliver.start(node, SETTINGS, rules, NOW)
            yield self._event(f"{node.name} restarts", state, again)
        if _rearmed(node):
            again = deliver.tick(node, SETTINGS, rules, NOW)
            yield self._event(f"{node.name} sends again what was re-armed", state, again)
        if self.repeats:
            later = deliver.tick(node, SETTINGS, rules, REPEAT)
            yield self._event(f"{node.name} sends again what is due", state, later)
        if node.client is not None:
            idle = node.client.stage is Stage.IDLE and node.client.numbers_used < self.requests
            if idle and not node.halted:
                yield self._commanded("asks for a ticket", state, _reserve)
        else:
            yield from self._office_events(state)

    def _office_events(self, state: Site) -> Iterator[Event[Site, Envelope]]:
        node, saved = state.node, state.saved
        sales = node.office.sales.values() if node.office is not None else ()
        if not node.halted and any(sale.state is State.HELD for sale in sales):
            ended = deliver.tick(node, SETTINGS, self.rules, HOLDS_END)
            yield self._event("holds end", state, ended)
        busy = node.collection is not None or node.loading is not None
        # Loading colors anew as well.
        if not busy and node.epoch - node.generation < self.snapshots:
            yield self._commanded("takes a snapshot", state, _take)
        if not busy and saved is not None and node.generation < self.loads:
            cut: Snapshot = saved
            yield self._commanded(
                "loads the snapshot", state, lambda turn: commands.load_snapshot(turn, cut)
            )

    def _commanded(
        self, verb: str, state: Site, do: Callable[[Turn], object]
    ) -> Event[Site, Envelope]:
        turn = Turn(state.node, SETTINGS, self._rules_of(state.node), NOW)
        do(turn)
        return self._event(f"{state.node.name} {verb}", state, turn.result())

    def delivered(self, actor: int, state: Site, message: Envelope) -> Event[Site, Envelope]:
        node = state.node
        result = deliver.receive(node, SETTINGS, self._rules_of(node), NOW, message)
        label = f"{node.name} takes {KIND_OF[type(message.body)]} of {message.origin}"
        return self._event(label, state, result)

    def _event(self, label: str, before: Site, result: Result) -> Event[Site, Envelope]:
        node = replace(result.node, lamport=0)
        sends = tuple(
            (self.names.index(envelope.destination), replace(envelope, lamport=0))
            for envelope in result.sends
        )
        saved = (before.saved, *(_unstamped(snapshot) for snapshot in result.snapshots))[-1]
        found = (wrong_cut(snapshot) for snapshot in result.snapshots)
        wrong = next((words for words in found if words is not None), None)
        return Event(label, Site(node, saved), sends, wrong)

    def wrong(self, states: tuple[Site, ...]) -> str | None:
        office, *clients = states
        if any(client.node.generation != office.node.generation for client in clients):
            return None
        if office.saved is not None and office.node.loading is not None:
            return not_as_cut(office.saved, [site.node for site in states])
        return wrong_system([site.node for site in states])

    def at_rest(self, states: tuple[Site, ...]) -> bool:
        """Nothing that was begun is unfinished."""
        nodes = [site.node for site in states]
        idle = all(node.client is None or node.client.stage is Stage.IDLE for node in nodes)
        return idle and not any(node.halted or node.collection is not None for node in nodes)


def wrong_system(nodes: list[Node]) -> str | None:
    """Properties 1 and 2 of nodes at one instant, or at one cut."""
    clients = [node.client for node in nodes if node.client is not None]
    ((office, loads),) = [(n.office, n.generation) for n in nodes if n.office is not None]
    gone = wrong_numbers(office) if loads == 0 else None
    return gone or wrong_owners(clients) or wrong_holders(office, clients)


def wrong_cut(snapshot: Snapshot) -> str | None:
    """Property 6: what is wrong with a snapshot, None when nothing is."""
    clients = [part.client for part in snapshot.parts.values() if part.client is not None]
    (office,) = [part.office for part in snapshot.parts.values() if part.office is not None]
    under_way = sorted((p.origin, p.destination, p.uid) for p in snapshot.preposts)
    if sorted(crossing(snapshot)) != under_way:
        return f"snapshot {snapshot.epoch}: its parts and its PREPOSTs disagree"
    for name, part in snapshot.parts.items():
        for other in snapshot.parts.values():
            if other.vector.get(name, 0) > part.vector.get(name, 0):
                return f"snapshot {snapshot.epoch}: {other.name} knows {name}'s future"
    return wrong_owners(clients) or wrong_holders(office, clients)


def not_as_cut(snapshot: Snapshot, nodes: list[Node]) -> str | None:
    """Property 7: between LOAD and RESUME every node is as the cut says, but for counters."""
    for node in nodes:
        part = snapshot.parts[node.name]
        if node.client is not None and part.client is not None:
            now = replace(node.client, numbers_used=0, query=0)
            as_cut = now == replace(part.client, numbers_used=0, query=0)
        elif node.office is not None and part.office is not None:
            as_cut = _untimed(node) == _untimed(replace(node, office=part.office))
        else:
            as_cut = False
        if not as_cut or node.balance != part.balance:
            return f"{node.name} is not as snapshot {snapshot.epoch} has it"
    return None


def _rearmed(node: Node) -> bool:
    """Whether a restart or a load left something to be sent again at once."""
    channels = (c for link in node.links.values() for c in (link.app, link.control))
    return any(True for channel in channels for _ in channel.due(NOW.monotonic_ns))


def _untimed(node: Node) -> list[tuple[object, ...]]:
    sales = node.office.sales.values() if node.office is not None else ()
    answered = node.office.answered if node.office is not None else {}
    return [(s.ticket, s.state, s.client, s.request) for s in sales] + [(answered,)]


def _unstamped(snapshot: Snapshot) -> Snapshot:
    parts = {name: replace(part, lamport=0) for name, part in snapshot.parts.items()}
    return replace(snapshot, parts=parts)


def _reserve(turn: Turn) -> None:
    commands.reserve(turn, Wish())


def _take(turn: Turn) -> None:
    commands.take_snapshot(turn)
