"""Snapshots: what a node records, and how the office knows that it has the whole cut.

Lai and Yang's colors with counted messages ("On distributed snapshots", 1987), a color being the
number of the epoch. A node records its state *before* it counts the message that turned it. Its
balance, sent minus received, is never reset; so over a cut the balances sum to the messages that
cross it, and each of those is handed to the office as a PREPOST by the node it reaches. Pure.
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from .channel import Channel
from .client import Client
from .messages import Prepost
from .office_state import Office
from .plain import restore, text_of
from .ticket import BadValueError

PART_CHARS = 700
TEXT_BYTES_MAX = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One node's state at the cut. A held ticket's deadline is kept as the time that is left."""

    name: str
    office: Office | None
    client: Client | None
    lamport: int
    vector: Mapping[str, int]
    balance: int
    channels: Mapping[str, Channel]
    """Application channels, by peer."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The whole cut."""

    epoch: int
    parts: Mapping[str, Part]
    preposts: tuple[Prepost, ...]

    def __post_init__(self) -> None:
        """Raises `BadValueError` for one that is no whole cut."""
        crossing = sum(part.balance for part in self.parts.values())
        if crossing != len(self.preposts):
            raise BadValueError(
                f"snapshot {self.epoch} is not whole: {crossing} messages cross the cut, "
                f"{len(self.preposts)} are there"
            )


@dataclass(frozen=True, slots=True)
class Collection:
    """A snapshot that the office is still collecting. `pieces`: per node, what has come of it."""

    epoch: int
    parts: Mapping[str, Part] = field(default_factory=dict)
    pieces: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    preposts: Mapping[str, Prepost] = field(default_factory=dict)

    def with_prepost(self, prepost: Prepost) -> Collection:
        key = f"{prepost.origin} {prepost.destination} {prepost.uid}"
        return replace(self, preposts={**self.preposts, key: prepost})

    def with_part(self, part: Part) -> Collection:
        return replace(self, parts={**self.parts, part.name: part})

    def whole(self, members: frozenset[str]) -> Snapshot | None:
        """The snapshot, once every member's part and every crossing message is there."""
        crossing = sum(part.balance for part in self.parts.values())
        if self.parts.keys() < members or crossing != len(self.preposts):
            return None
        return Snapshot(self.epoch, self.parts, tuple(p for _, p in sorted(self.preposts.items())))


def split(part: Part) -> tuple[tuple[str, ...], str]:
    """A part as pieces that fit a line each, and the digest of the whole."""
    text = base64.b64encode(zlib.compress(text_of(part).encode())).decode()
    pieces = tuple(text[at : at + PART_CHARS] for at in range(0, len(text), PART_CHARS))
    return pieces, hashlib.sha256(text.encode()).hexdigest()


def joined(pieces: Mapping[int, str], count: int, digest: str) -> Part | None:
    """The part, or None while pieces are missing. Raises `BadValueError` for a corrupt one."""
    if len(pieces) < count:
        return None
    text = "".join(pieces[number] for number in sorted(pieces))
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise BadValueError("a part of the snapshot does not fit its digest")
    try:
        inflater = zlib.decompressobj()
        raw = inflater.decompress(base64.b64decode(text, validate=True), TEXT_BYTES_MAX)
        return restore(Part, json.loads(raw))
    except (ValueError, zlib.error) as error:
        raise BadValueError(f"a part of the snapshot cannot be read: {error}") from error


def document(snapshot: Snapshot) -> str:
    """What a snapshot's file holds: JSON of the cut and its digest."""
    text = text_of(snapshot)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f'{{"schema":1,"sha256":"{digest}","snapshot":{text}}}\n'


def read_document(text: str) -> Snapshot:
    """The snapshot of a file's text. Raises `BadValueError` for anything damaged or foreign."""
    try:
        content = json.loads(text)
        schema, digest = content["schema"], content["sha256"]
        inner = content["snapshot"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise BadValueError(f"this is no snapshot: {error!r}") from error
    if schema != 1:
        raise BadValueError(f"snapshot of schema {schema!r}; this program reads 1")
    snapshot = restore(Snapshot, inner)
    if hashlib.sha256(text_of(snapshot).encode()).hexdigest() != digest:
        raise BadValueError("the snapshot is damaged: its digest does not fit")
    return snapshot


def crossing(snapshot: Snapshot) -> Iterator[tuple[str, str, int]]:
    """(origin, destination, uid) of every message that the parts themselves say is under way.

    Sent and not acknowledged by one part, not received by the other: the same as the PREPOSTs.
    """
    for name, part in snapshot.parts.items():
        for peer, channel in part.channels.items():
            window = snapshot.parts[peer].channels.get(name, Channel()).window
            yield from ((name, peer, uid) for uid in channel.outbox if uid not in window)
