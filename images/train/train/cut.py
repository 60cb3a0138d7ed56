"""A node's part in a snapshot: turning, recording, handing over, and at the office collecting."""

from __future__ import annotations

from dataclasses import replace

from .channel import Channel
from .envelope import Envelope
from .facts import Fact
from .messages import KIND_OF, Prepost, Resume, Snap, SnapDone, StatePart
from .node import Node
from .office_state import Office, hold_now_ns
from .plain import text_of
from .snapshot import Collection, Part, joined, split
from .ticket import BadValueError
from .turn import Turn


def take(turn: Turn) -> int:
    """Start a snapshot, at the office; returns its epoch. Raises `BadValueError` during one."""
    if turn.node.collection is not None:
        raise BadValueError(f"snapshot {turn.node.collection.epoch} is not whole yet")
    if turn.node.halted:
        raise BadValueError("a snapshot is being loaded")
    epoch = turn.node.epoch + 1
    turn.node = replace(
        turn.node, collection=Collection(epoch).with_part(record(turn)), epoch=epoch
    )
    turn.fact(Fact("snapshot.started"))
    for peer in turn.node.links:
        turn.send(peer, Snap(epoch))
    finish_if_whole(turn)
    return epoch


def turn_color(turn: Turn, epoch: int) -> None:
    """Record the state as it is now, and from now on have the new color."""
    if epoch <= turn.node.epoch:
        return
    part = record(turn)
    turn.node = replace(turn.node, epoch=epoch)
    turn.fact(Fact("snapshot.recorded"))
    pieces, digest = split(part)
    for number, piece in enumerate(pieces):
        turn.send(turn.node.office_name, StatePart(epoch, number, len(pieces), piece, digest))


def record(turn: Turn) -> Part:
    """The node's state at this instant."""
    node = turn.node
    return Part(
        name=node.name,
        office=_with_time_left(turn),
        client=node.client,
        lamport=node.lamport,
        vector=node.vector,
        balance=node.balance,
        channels={peer: _unclocked(link.app) for peer, link in node.links.items()},
    )


def hand_over(turn: Turn, envelope: Envelope) -> None:
    """Report an application message that was sent before the cut and came after it."""
    prepost = Prepost(
        epoch=turn.node.epoch,
        origin=envelope.origin,
        destination=envelope.destination,
        uid=envelope.uid,
        kind=KIND_OF[type(envelope.body)],
        text=text_of(envelope.body),
    )
    if turn.node.office is not None:
        collect_prepost(turn, prepost)
    else:
        turn.send(turn.node.office_name, prepost)


def collect_prepost(turn: Turn, prepost: Prepost) -> None:
    """Take a message that crosses the cut of the snapshot under way; others are out of date."""
    collection = turn.node.collection
    if collection is not None and prepost.epoch == collection.epoch:
        turn.node = replace(turn.node, collection=collection.with_prepost(prepost))
        finish_if_whole(turn)


def collect_state(turn: Turn, sender: str, piece: StatePart) -> None:
    """Take a piece of a client's part; a part that does not fit its digest is reported."""
    collection = turn.node.collection
    if collection is None or piece.epoch != collection.epoch:
        return
    got = {**collection.pieces.get(sender, {}), piece.part: piece.text}
    collection = replace(collection, pieces={**collection.pieces, sender: got})
    try:
        part = joined(got, piece.parts, piece.digest)
    except BadValueError:
        turn.fact(Fact("snapshot.damaged", client=sender))
        return
    if part is not None and part.name == sender:
        collection = collection.with_part(part)
    turn.node = replace(turn.node, collection=collection)
    finish_if_whole(turn)


def greet(turn: Turn, client: str) -> None:
    """A client writes for the first time: it belongs to a snapshot that is under way, and to the
    generation, which RESUME tells it. During a load that comes when all resume."""
    turn.set_link(client, turn.link(client))
    if turn.node.generation and not turn.node.halted:
        turn.send(client, Resume(turn.node.generation))
    if turn.node.collection is not None:
        turn.send(client, Snap(turn.node.collection.epoch))


def finish_if_whole(turn: Turn) -> None:
    """Once nothing is missing: the snapshot goes to the shell, and the next may start."""
    collection = turn.node.collection
    if collection is None:
        return
    snapshot = collection.whole(frozenset({turn.node.name, *turn.node.links}))
    if snapshot is not None:
        turn.snapshot(snapshot)
        turn.fact(Fact("snapshot.whole"))
        abandon(turn)


def abandon(turn: Turn) -> None:
    """Re-arm for the next snapshot, whether or not this one became whole ("reset")."""
    if turn.node.collection is None:
        return
    epoch = turn.node.collection.epoch
    turn.node = replace(turn.node, collection=None)
    for peer in turn.node.links:
        turn.send(peer, SnapDone(epoch))


def missing(node: Node) -> frozenset[str]:
    """Whose part a snapshot under way still lacks."""
    if node.collection is None:
        return frozenset()
    return frozenset({node.name, *node.links} - node.collection.parts.keys())


def _with_time_left(turn: Turn) -> Office | None:
    """The office with each hold's deadline as the time that is left of it, ns."""
    office, rules = turn.node.office, turn.rules
    if office is None or rules is None:
        return None
    now_ns = hold_now_ns(rules, turn.reading)
    return shift_deadlines(office, -now_ns)


def shift_deadlines(office: Office, by_ns: int) -> Office:
    """Every hold's deadline moved by `by_ns`."""
    moved = {
        number: replace(sale, deadline_ns=sale.deadline_ns + by_ns)
        for number, sale in office.sales.items()
        if sale.deadline_ns is not None
    }
    return replace(office, sales={**office.sales, **moved}) if moved else office


def _unclocked(channel: Channel) -> Channel:
    """Without times of sending: clocks do not belong to the state."""
    return channel.rearmed(0, 0)
