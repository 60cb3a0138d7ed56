"""What goes around a message: who, to whom, which one, and its stamps. Pure data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from .messages import Body
from .ticket import BadValueError

NODE_NAME = re.compile(r"[A-Za-z0-9_.-]{1,24}")


def check_node_name(name: str) -> str:
    """`name`, or `BadValueError`: a node's name stands in every message."""
    if not NODE_NAME.fullmatch(name):
        raise BadValueError(f"node name {name!r}: 1 to 24 letters, digits, '_', '.' or '-'")
    return name


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message on its way. A forwarder rewrites `transmitter` and `hops`, nothing else.

    (`origin`, `incarnation`, `sequence`) name this sending; a repetition has a new name, but the
    `uid`, stamps and colors of the first sending.
    """

    body: Body
    origin: str
    destination: str
    transmitter: str
    incarnation: int
    """How often the origin has been started."""
    sequence: int
    hops: int
    """How often it may still be forwarded."""
    lamport: int
    """The stamp (estampille) that every message of the founding document carries."""
    vector: Mapping[str, int] | None
    epoch: int
    """The sender's color: how many snapshots it had taken part in when it first sent this."""
    generation: int
    """How many snapshots had been loaded by then."""
    uid: int
    """Number among those from `origin` to `destination` on its channel; 0 for what is sent once."""
    app_ack: int
    """The origin has every application message of the destination up to this `uid`."""
    control_ack: int
    """The same for control messages."""

    def __post_init__(self) -> None:
        for name in (self.origin, self.destination, self.transmitter):
            check_node_name(name)
        numbers = (
            self.incarnation, self.sequence, self.hops, self.lamport, self.epoch,
            self.generation, self.uid, self.app_ack, self.control_ack,
            *(self.vector or {}).values(),
        )  # fmt: skip
        if any(number < 0 or number >= 2**63 for number in numbers):
            raise BadValueError("a number of the envelope is out of range")
