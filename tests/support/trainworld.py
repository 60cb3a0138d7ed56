"""A system of real nodes in one process: every line, loss, crash and clock is the test's to choose.

`World` carries lines over a topology and judges after every event what train.md's properties 1 to
7 say; `settle` is fair delivery, for property 8.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from train import codec, commands, deliver
from train.checking.protocol import went_back
from train.checking.system import not_as_cut, wrong_cut, wrong_system
from train.client import Stage
from train.envelope import Envelope
from train.node import Node, Result, Settings, new_client, new_office
from train.office_state import HoldClock, Protocol, Rules
from train.plain import restore, text_of
from train.reading import Reading
from train.snapshot import Snapshot, document, read_document
from train.ticket import BadValueError, Wish
from train.turn import Turn

MS = 1_000_000
EPOCH_NS = 1_800_000_000_000_000_000
SETTINGS = Settings(hops=12, vectors=True)
OFFICE = "office"


def neighbors(topology: str, names: list[str]) -> dict[str, list[str]]:
    """Whom each node's lines reach."""
    count = len(names)
    edges: set[tuple[int, int]] = set()
    for at in range(count):
        if topology in ("ring-one-way", "ring"):
            edges.add((at, (at + 1) % count))
        if topology == "ring":
            edges.add(((at + 1) % count, at))
        if topology == "line" and at + 1 < count:
            edges |= {(at, at + 1), (at + 1, at)}
        if topology == "star" and at:
            edges |= {(0, at), (at, 0)}
        if topology == "mesh":
            edges |= {(at, other) for other in range(count) if other != at}
    return {name: [names[b] for a, b in sorted(edges) if a == at] for at, name in enumerate(names)}


TOPOLOGIES = ("line", "ring-one-way", "ring", "star", "mesh")


@dataclass
class World:
    """`lines`: under way, with their receivers. `snapshots`: whole ones, oldest first."""

    topology: str
    clients: int
    protocol: Protocol = Protocol.CONFIRMED
    hold_clock: HoldClock = HoldClock.MONOTONIC
    auto_confirm: bool = True
    strangers: bool = False
    """The office is not told its clients' names."""
    now_ns: int = 0
    wall_off_ns: int = EPOCH_NS
    lines: list[tuple[str, str]] = field(default_factory=list)
    snapshots: list[Snapshot] = field(default_factory=list)
    loaded: Snapshot | None = None
    problems: list[str] = field(default_factory=list)
    events: int = 0

    def __post_init__(self) -> None:
        self.names = [OFFICE, *(f"c{number}" for number in range(self.clients))]
        self.rules = Rules(OFFICE, self.protocol, self.hold_clock, hold_ns=2_000 * MS)
        self.neighbors = neighbors(self.topology, self.names)
        known = frozenset() if self.strangers else frozenset(self.names[1:])
        self.nodes: dict[str, Node] = {OFFICE: new_office(self.rules, known)}
        for name in self.names[1:]:
            self.nodes[name] = new_client(name, OFFICE, auto_confirm=self.auto_confirm)
        self._passed: set[tuple[str, str, int, int]] = set()
        for name in self.names:
            self.start(name)

    @property
    def reading(self) -> Reading:
        return Reading(self.now_ns, self.now_ns + self.wall_off_ns)

    def rules_of(self, name: str) -> Rules | None:
        return self.rules if name == OFFICE else None

    # events

    def start(self, name: str) -> None:
        """First, or after a crash: what it knows is what its file holds."""
        saved = restore(Node, json.loads(text_of(self.nodes[name])))
        if saved != self.nodes[name]:
            self.problems.append(f"{name} is not what its file says")
        self._take(
            name, deliver.start(saved, SETTINGS, self.rules_of(name), self.reading), starting=True
        )

    def tick(self, name: str, lost: bool = False) -> None:
        node = self.nodes[name]
        result = deliver.tick(node, SETTINGS, self.rules_of(name), self.reading)
        self._take(name, result, lost=lost)

    def command(self, name: str, do: Callable[..., object], *args: object, **kw: object) -> bool:
        """False when the command was refused; then nothing may have changed."""
        turn = Turn(self.nodes[name], SETTINGS, self.rules_of(name), self.reading)
        try:
            do(turn, *args, **kw)
        except BadValueError:
            return False
        self._take(name, turn.result())
        return True

    def load(self, snapshot: Snapshot) -> None:
        before, self.loaded = self.loaded, snapshot
        if not self.command(OFFICE, commands.load_snapshot, read_document(document(snapshot))):
            self.loaded = before

    def arrive(self, index: int, keep: bool = False, lost: bool = False) -> None:
        """Deliver the line at `index`. `keep`: it will come again. `lost`: the node is killed
        between writing down what the line did and letting anything out."""
        name, line = self.lines[index] if keep else self.lines.pop(index)
        before = self.nodes[name]
        envelope = codec.decode(line)
        rules = self.rules_of(name)
        result = deliver.receive(before, SETTINGS, rules, self.reading, envelope)
        again = deliver.receive(result.node, SETTINGS, rules, self.reading, envelope)
        if again.node != result.node or again.sends:
            self.problems.append(f"{name}: the same line again changes something")
        if envelope.destination == name:
            self._judge_repetition(before, result.node, envelope)
        self._take(name, result, lost=lost)
        if lost:
            self.start(name)

    def _judge_repetition(self, before: Node, after: Node, envelope: Envelope) -> None:
        """Property 4 for a repetition under a new name."""
        link = before.links.get(envelope.origin)
        app = type(envelope.body) in deliver.Application.__args__
        if link is None or not app or envelope.generation != before.generation:
            same = not app or envelope.generation == before.generation or link is None
        else:
            same = envelope.uid not in link.app.window
        if not same and (before.office, before.client) != (after.office, after.client):
            self.problems.append(f"{before.name}: an old message has an effect")

    def _take(self, name: str, result: Result, lost: bool = False, starting: bool = False) -> None:
        self.events += 1
        before, self.nodes[name] = self.nodes[name], result.node
        for snapshot in result.snapshots:
            self._judge_snapshot(snapshot)
        for envelope in result.sends:
            line = codec.encode(envelope)
            if codec.decode(line) != envelope:
                self.problems.append(f"misread: {line}")
            if envelope.origin != name:
                key = (name, envelope.origin, envelope.incarnation, envelope.sequence)
                if key in self._passed:
                    self.problems.append(f"{name} forwards {key[1:]} again")
                self._passed.add(key)
            if not lost:
                self.lines += [(peer, line) for peer in self.neighbors[name]]
        self._judge(before, result.node)

    def _judge_snapshot(self, snapshot: Snapshot) -> None:
        self.snapshots.append(snapshot)
        if read_document(document(snapshot)) != snapshot:
            self.problems.append("a snapshot's file says something else")
        wrong = wrong_cut(snapshot)
        if wrong is not None:
            self.problems.append(wrong)

    def _judge(self, before: Node, after: Node) -> None:
        wrong: str | None = None
        counters = ("lamport", "incarnation", "generation", "epoch")
        for counter in counters:
            if getattr(after, counter) < getattr(before, counter):
                wrong = f"{after.name}: {counter} went back"
        if before.client is not None and after.client is not None:
            if after.client.numbers_used < before.client.numbers_used:
                wrong = f"{after.name}: a request number is used again"
            if before.generation == after.generation:
                wrong = wrong or went_back(before.client, after.client)
        if self.loaded is not None and after.halted and after.generation > before.generation:
            wrong = wrong or not_as_cut(self.loaded, [after])
        nodes = list(self.nodes.values())
        if self.protocol is Protocol.CONFIRMED and len({node.generation for node in nodes}) == 1:
            wrong = wrong or wrong_system(nodes)
        if wrong is not None:
            self.problems.append(wrong)

    # fair delivery

    def busy(self) -> list[str]:
        """What is not finished."""
        found = []
        for name, node in self.nodes.items():
            if node.client is not None and node.client.stage is not Stage.IDLE:
                found.append(f"{name} is {node.client.stage.value}")
            if node.halted or node.collection is not None or node.loading is not None:
                found.append(f"{name} is not through with a snapshot")
            unheard = [
                link for link in node.links.values() if link.app.outbox or link.control.outbox
            ]
            if unheard:
                found.append(f"{name} has messages that nobody acknowledged")
        return found

    def settle(self, chance: random.Random, events_max: int = 60_000) -> None:
        """Everything arrives, in any order, until nothing is left to be done."""
        until = self.events + events_max
        while self.busy() and self.events < until and not self.problems:
            while self.lines and self.events < until:
                self.arrive(chance.randrange(len(self.lines)))
            for name, node in self.nodes.items():
                if node.client is not None and node.client.stage is Stage.OFFERED:
                    self.command(name, commands.decide, chance.random() < 0.7)
            self.now_ns += 300 * MS
            for name in self.names:
                self.tick(name)
        self.problems += self.busy()


def stormy(world: World, chance: random.Random, events: int, loss: float = 0.2) -> None:
    """So many random events: lines lost, doubled and out of order, restarts, snapshots, loads."""
    until = world.events + events
    while world.events < until and not world.problems:
        world.now_ns += chance.randrange(20 * MS)
        if world.lines and chance.random() < 0.85:
            index = chance.randrange(min(len(world.lines), 40))
            draw = chance.random()
            if draw < loss:
                world.lines.pop(index)
            else:
                world.arrive(index, keep=draw < loss + 0.1, lost=draw > 0.995)
        else:
            _do_something(world, chance)


def _do_something(world: World, chance: random.Random) -> None:
    name, client = chance.choice(world.names), chance.choice(world.names[1:])
    draw = chance.random()
    if draw < 0.7:
        world.tick(name)
    elif draw < 0.84:
        world.command(client, commands.reserve, Wish())
    elif draw < 0.88:
        world.command(client, commands.decide, chance.random() < 0.7)
    elif draw < 0.92:
        world.command(OFFICE, commands.create_ticket, **JOURNEY)
    elif draw < 0.95:
        world.command(name, commands.take_snapshot)
    elif draw < 0.96 and world.snapshots:
        world.load(chance.choice(world.snapshots))
    elif draw < 0.97:
        world.start(name)
    elif draw < 0.98:
        world.wall_off_ns += chance.randrange(-3_000 * MS, 3_000 * MS)


JOURNEY = {
    "departure_ns": 2 * EPOCH_NS, "zone": "Europe/Paris", "origin": "Paris", "destination": "Lyon",
}  # fmt: skip


def lively(seed: int, topology: str = "ring", clients: int = 2, **how: object) -> World:
    """A world with tickets after a storm from `seed`, settled."""
    chance = random.Random(seed)
    world = World(topology, clients, **how)  # type: ignore[arg-type]
    for _ in range(3):
        world.command(OFFICE, commands.create_ticket, **JOURNEY)
    stormy(world, chance, 500)
    world.settle(chance)
    return world
