"""Messages that arrive exactly once, in any order, over a network that loses, doubles and reorders.

Each pair of nodes has two channels: one for application messages, which snapshots count and
restore, and one for control messages, which they do not. A message stays in the sender's outbox,
and is sent again, until it is acknowledged; the receiver's window drops what it has had. Pure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from .window import Window


@dataclass(frozen=True, slots=True)
class Pending:
    """A message that is not acknowledged yet, with the stamps of its first sending."""

    kind: str
    text: str
    """The body as JSON."""
    epoch: int
    lamport: int
    vector: Mapping[str, int] | None
    due_ns: int = 0
    """When to send it again, on the monotonic clock."""
    wait_ns: int = 0
    """How long to wait after that."""


@dataclass(frozen=True, slots=True)
class Channel:
    """One direction's outbox and the other's window."""

    last_uid: int = 0
    outbox: Mapping[int, Pending] = field(default_factory=dict)
    window: Window = field(default_factory=Window)

    def push(self, pending: Pending) -> Channel:
        """With a new message in the outbox, under the next uid."""
        uid = self.last_uid + 1
        return replace(self, last_uid=uid, outbox={**self.outbox, uid: pending})

    def acknowledged(self, floor: int) -> Channel:
        """Without what the other side says it has."""
        if not any(uid <= floor for uid in self.outbox):
            return self
        return replace(self, outbox={u: p for u, p in self.outbox.items() if u > floor})

    def received(self, uid: int) -> Channel:
        return replace(self, window=self.window.add(uid))

    def due(self, now_ns: int) -> Iterator[tuple[int, Pending]]:
        """What is to be sent again by now."""
        return ((uid, p) for uid, p in self.outbox.items() if p.due_ns <= now_ns)

    def put_off(self, uid: int, now_ns: int, wait_max_ns: int) -> Channel:
        """With `uid` just sent again: next time it waits twice as long."""
        pending = self.outbox[uid]
        later = replace(
            pending,
            due_ns=now_ns + pending.wait_ns,
            wait_ns=min(2 * pending.wait_ns, wait_max_ns),
        )
        return replace(self, outbox={**self.outbox, uid: later})

    def rearmed(self, now_ns: int, wait_ns: int) -> Channel:
        """With everything due at once: after a restart, clocks of before do not compare."""
        again = {u: replace(p, due_ns=now_ns, wait_ns=wait_ns) for u, p in self.outbox.items()}
        return replace(self, outbox=again)

    def recolored(self, epoch: int) -> Channel:
        """With everything in one color: after loading a snapshot there is no cut to cross."""
        return replace(self, outbox={u: replace(p, epoch=epoch) for u, p in self.outbox.items()})


@dataclass(frozen=True, slots=True)
class Link:
    """Both channels to one peer. `ack_due_ns`: when it is owed a bare acknowledgment, if it is."""

    app: Channel = field(default_factory=Channel)
    control: Channel = field(default_factory=Channel)
    ack_due_ns: int | None = None
