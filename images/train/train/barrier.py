"""Loading a snapshot: everybody stops, takes up the state of the cut, and goes on together.

The office gives each client its part in a new generation; what older generations sent is dropped
wherever it arrives. Request numbers, ticket numbers, Lamport stamps and message names never go
back, so nothing that happened after the cut can be mistaken for what happens now.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from .channel import Channel, Link
from .client import Client
from .cut import shift_deadlines
from .facts import Fact
from .messages import Loaded, LoadPart, Resume
from .node import Loading
from .office_state import Office, hold_now_ns
from .snapshot import Part, Snapshot, joined, split
from .ticket import BadValueError
from .turn import Turn


def load(turn: Turn, snapshot: Snapshot) -> None:
    """Start loading, at the office. Raises `BadValueError`; then nothing has changed."""
    node = turn.node
    if node.collection is not None:
        raise BadValueError(f"snapshot {node.collection.epoch} is being taken; reset it first")
    if node.loading is not None:
        raise BadValueError("a snapshot is being loaded")
    strangers = {node.name, *node.links} ^ snapshot.parts.keys()
    if strangers:
        raise BadValueError(
            f"snapshot {snapshot.epoch} is of other nodes: {', '.join(sorted(strangers))}"
        )
    epoch, generation = node.epoch + 1, node.generation + 1
    clients = frozenset(node.links)
    take_up(turn, snapshot.parts[node.name], epoch, generation)
    turn.node = replace(turn.node, loading=Loading(clients))
    for client in sorted(clients):
        _hand_part(turn, client, snapshot.parts[client], epoch, generation)
    turn.fact(Fact("load.started"))
    _resume_if_all(turn)


def _hand_part(turn: Turn, client: str, part: Part, epoch: int, generation: int) -> None:
    pieces, digest = split(part)
    for number, piece in enumerate(pieces):
        turn.send(client, LoadPart(epoch, generation, number, len(pieces), piece, digest))


def receive_part(turn: Turn, piece: LoadPart) -> None:
    """A client's side: collect the pieces, then take the part up and say so."""
    if piece.generation <= turn.node.generation:
        return
    turn.node = replace(turn.node, load_pieces={**turn.node.load_pieces, piece.part: piece.text})
    try:
        part = joined(turn.node.load_pieces, piece.parts, piece.digest)
    except BadValueError:
        turn.fact(Fact("load.damaged"))
        return
    if part is not None:
        take_up(turn, part, piece.epoch, piece.generation)
        turn.node = replace(turn.node, load_pieces={})
        turn.send(turn.node.office_name, Loaded(piece.generation))


def take_up(turn: Turn, part: Part, epoch: int, generation: int) -> None:
    """Be what the part says, but for counters that never go back; and stop until RESUME."""
    node = turn.node
    turn.node = replace(
        node,
        office=_office(turn, part.office),
        client=_client(node.client, part.client),
        lamport=max(node.lamport, part.lamport),
        vector=_latest(node.vector, part.vector),
        links=_links(turn, part.channels, epoch),
        balance=part.balance,
        epoch=max(node.epoch, epoch),
        generation=generation,
        halted=True,
    )
    turn.fact(Fact("load.taken_up"))


def loaded(turn: Turn, client: str, generation: int) -> None:
    """The office hears that a client is ready."""
    loading = turn.node.loading
    if loading is not None and generation == turn.node.generation:
        turn.node = replace(turn.node, loading=Loading(loading.waiting_for - {client}))
        _resume_if_all(turn)


def _resume_if_all(turn: Turn) -> None:
    if turn.node.loading is None or turn.node.loading.waiting_for:
        return
    turn.node = replace(turn.node, loading=None)
    for client in turn.node.links:
        turn.send(client, Resume(turn.node.generation))
    resume(turn, turn.node.generation)


def resume(turn: Turn, generation: int) -> None:
    """Go on, and send again what was under way at the cut.

    A client that loaded nothing is told so only when the office met it after the load: it has
    nothing to go back to, and takes part from now on.
    """
    if generation > turn.node.generation and not turn.node.halted:
        turn.node = replace(turn.node, generation=generation)
        turn.fact(Fact("load.joined"))
    elif generation == turn.node.generation and turn.node.halted:
        turn.node = replace(turn.node, halted=False)
        turn.fact(Fact("load.resumed"))


def _office(turn: Turn, recorded: Office | None) -> Office | None:
    current, rules = turn.node.office, turn.rules
    if recorded is None or current is None or rules is None:
        return current
    office = shift_deadlines(recorded, hold_now_ns(rules, turn.reading))
    return replace(office, next_id=max(recorded.next_id, current.next_id))


def _client(current: Client | None, recorded: Client | None) -> Client | None:
    if recorded is None or current is None:
        return current
    return replace(
        recorded,
        auto_confirm=current.auto_confirm,
        numbers_used=max(recorded.numbers_used, current.numbers_used),
        query=max(recorded.query, current.query),
    )


def _latest(current: Mapping[str, int], recorded: Mapping[str, int]) -> dict[str, int]:
    names = current.keys() | recorded.keys()
    return {name: max(current.get(name, 0), recorded.get(name, 0)) for name in names}


def _links(turn: Turn, channels: Mapping[str, Channel], epoch: int) -> dict[str, Link]:
    """Application channels as recorded, in one color; control channels as they are."""
    now_ns = turn.reading.monotonic_ns
    return {
        peer: replace(
            link,
            app=channels.get(peer, Channel())
            .recolored(epoch)
            .rearmed(now_ns, turn.settings.retry_ns),
        )
        for peer, link in turn.node.links.items()
    }
