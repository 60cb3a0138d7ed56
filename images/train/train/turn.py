"""One event's turn at a node: state is replaced step by step, what goes out is gathered.

Every entry point (`deliver.py`, `commands.py`) makes a `Turn`, works on it, and ends with
`result()`. A turn touches nothing outside itself.
"""

from __future__ import annotations

import json
from dataclasses import replace

from . import client as client_rules
from .channel import Channel, Link, Pending
from .envelope import Envelope
from .facts import Fact
from .messages import KIND_OF, KINDS, Ack, Application, Body, Control
from .node import Node, Result, Seen, Settings
from .office_state import Rules
from .office_state import Step as OfficeStep
from .plain import restore, text_of
from .reading import Reading
from .snapshot import Snapshot

SEEN_ABOVE_MAX = 1024
"""Of an origin's messages, kept beyond the first that is missing: lost ones never come again."""


class Turn:
    """`rules` are the office's, None at a client."""

    def __init__(
        self, node: Node, settings: Settings, rules: Rules | None, reading: Reading
    ) -> None:
        self.node = node
        self.settings = settings
        self.rules = rules
        self.reading = reading
        self._sends: list[Envelope] = []
        self._facts: list[Fact] = []
        self._snapshots: list[Snapshot] = []

    def result(self) -> Result:
        return Result(self.node, tuple(self._sends), tuple(self._facts), tuple(self._snapshots))

    def fact(self, *facts: Fact) -> None:
        self._facts += facts

    def snapshot(self, snapshot: Snapshot) -> None:
        self._snapshots.append(snapshot)

    def link(self, peer: str) -> Link:
        return self.node.links.get(peer, Link())

    def set_link(self, peer: str, link: Link) -> None:
        self.node = replace(self.node, links={**self.node.links, peer: link})

    def send(self, peer: str, body: Body) -> None:
        """Send for the first time. Application and control messages are repeated until they are
        acknowledged; application messages are counted."""
        self._count_event()
        pending = self._stamped(body)
        uid = 0
        link = self.link(peer)
        if isinstance(body, Application):
            self.node = replace(self.node, balance=self.node.balance + 1)
            link = replace(link, app=link.app.push(pending))
            uid = link.app.last_uid
        elif isinstance(body, Control):
            link = replace(link, control=link.control.push(pending))
            uid = link.control.last_uid
        self.set_link(peer, link)
        self.emit(peer, uid, pending, body)

    def _count_event(self) -> None:
        node = self.node
        vector = node.vector
        if self.settings.vectors:
            vector = {**vector, node.name: vector.get(node.name, 0) + 1}
        self.node = replace(node, lamport=node.lamport + 1, vector=vector)

    def _stamped(self, body: Body) -> Pending:
        return Pending(
            kind=KIND_OF[type(body)],
            text=text_of(body),
            epoch=self.node.epoch,
            lamport=self.node.lamport,
            vector=self.node.vector if self.settings.vectors else None,
            due_ns=self.reading.monotonic_ns + self.settings.retry_ns,
            wait_ns=min(2 * self.settings.retry_ns, self.settings.retry_max_ns),
        )

    def emit(self, peer: str, uid: int, pending: Pending, body: Body) -> None:
        """One sending under a new name; it carries every acknowledgment that is owed.

        But a repetition in an older color acknowledges no application message: the peer, which it
        does not turn, would forget before its cut what this node received after its own.
        """
        self.node = replace(self.node, sequence=self.node.sequence + 1)
        node, link = self.node, self.link(peer)
        of_now = pending.epoch == node.epoch
        self._sends.append(
            Envelope(
                body=body,
                origin=node.name,
                destination=peer,
                transmitter=node.name,
                incarnation=node.incarnation,
                sequence=node.sequence,
                hops=self.settings.hops,
                lamport=pending.lamport,
                vector=pending.vector,
                epoch=pending.epoch,
                generation=node.generation,
                uid=uid,
                app_ack=link.app.window.floor if of_now else 0,
                control_ack=link.control.window.floor,
            )
        )
        if of_now and link.ack_due_ns is not None:
            self.set_link(peer, replace(link, ack_due_ns=None))

    def acknowledge(self, peer: str) -> None:
        """A bare acknowledgment, now."""
        self.emit(peer, 0, self._stamped(Ack()), Ack())

    def forward(self, envelope: Envelope) -> None:
        """Pass on what is for somebody else, while it may still hop."""
        if envelope.hops > 0:
            self._sends.append(
                replace(envelope, transmitter=self.node.name, hops=envelope.hops - 1)
            )

    def is_new(self, envelope: Envelope) -> bool:
        """Whether this sending has not passed here before; from now on it has.

        What an earlier incarnation of its origin sent counts as seen: whatever mattered in it is
        sent again by the later one.
        """
        if passed_before(self.node, envelope.origin, envelope.incarnation, envelope.sequence):
            return False
        seen = self.node.seen.get(envelope.origin, Seen(0))
        if envelope.incarnation > seen.incarnation:
            seen = Seen(envelope.incarnation)
        seen = replace(seen, window=seen.window.add(envelope.sequence, SEEN_ABOVE_MAX))
        self.node = replace(self.node, seen={**self.node.seen, envelope.origin: seen})
        return True

    def merge_stamps(self, envelope: Envelope) -> None:
        """Lamport's rule, and the vector clock's: later than both."""
        node = self.node
        vector = dict(node.vector)
        for name, count in (envelope.vector or {}).items():
            vector[name] = max(vector.get(name, 0), count)
        self.node = replace(node, lamport=max(node.lamport, envelope.lamport), vector=vector)
        self._count_event()

    def repeat_due(self) -> None:
        """Send again what has waited long enough, and the acknowledgments that are due."""
        now_ns = self.reading.monotonic_ns
        for peer in self.node.links:
            for which in ("app", "control"):
                channel: Channel = getattr(self.link(peer), which)
                for uid, pending in list(channel.due(now_ns)):
                    channel = channel.put_off(uid, now_ns, self.settings.retry_max_ns)
                    self.emit(peer, uid, pending, body_of(pending))
                self.set_channel(peer, which, channel)
            due_ns = self.link(peer).ack_due_ns
            if due_ns is not None and due_ns <= now_ns:
                self.acknowledge(peer)

    def set_channel(self, peer: str, which: str, channel: Channel) -> None:
        link = self.link(peer)
        if which == "app":
            self.set_link(peer, replace(link, app=channel))
        else:
            self.set_link(peer, replace(link, control=channel))

    def client_step(self, step: client_rules.Step) -> None:
        """Take over what came of an event at this client."""
        self.node = replace(self.node, client=step.client)
        self.fact(*step.facts)
        for body in step.sends:
            self.send(self.node.office_name, body)

    def office_step(self, step: OfficeStep, client: str | None = None) -> None:
        """Take over what came of an event at this office; answers go to `client`."""
        self.node = replace(self.node, office=step.office)
        self.fact(*step.facts)
        if client is not None:
            for body in step.answers:
                self.send(client, body)


def body_of(pending: Pending) -> Body:
    """The message that is to be sent again."""
    return restore(KINDS[pending.kind], json.loads(pending.text))


def passed_before(node: Node, origin: str, incarnation: int, sequence: int) -> bool:
    """Whether the sending of that name changes nothing here: it has passed, is of an earlier
    incarnation of its origin, or is this node's own."""
    seen = node.seen.get(origin, Seen(0))
    if origin == node.name or incarnation < seen.incarnation:
        return True
    return incarnation == seen.incarnation and sequence in seen.window
