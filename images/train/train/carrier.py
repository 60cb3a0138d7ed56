"""What moves lines to and from a node's neighbors: `tcp.py` in the lab, `pipes.py` for Airplug.

Both let lines out by `BentLink`s and hand in what comes through a `Hearing`; `service.py` needs
nothing else of them.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from .lines import LineSplitter
from .link import Impairment, fates
from .plain import plain
from .ticket import NS


@dataclass(frozen=True)
class Hearing:
    """Where a carrier's lines go: `receive` those that came together, `reject` the reason of each
    that is none, `done` after both."""

    receive: Callable[[list[str]], None]
    reject: Callable[[str], None]
    done: Callable[[], None]

    def take(self, splitter: LineSplitter, data: bytes) -> None:
        """Hand in what `data` completes."""
        self.receive(list(splitter.feed(data)))
        for reason, count in splitter.rejected.items():
            for _ in range(count):
                self.reject(reason)
        splitter.rejected.clear()
        self.done()


class Carrier(Protocol):
    """All links of a node."""

    def send(self, payload: str) -> None:
        """To every neighbor."""

    def impair(self, peer: str | None, impairment: Impairment) -> None:
        """Bend the link to `peer`, or all. Raises `BadValueError` for a stranger."""

    def status(self) -> dict[str, Any]:
        """The links, for `status`."""

    async def run(self, hearing: Hearing) -> None:
        """Carry until the input ends, if it does."""


class BentLink:
    """One link that leaves a node; `impairment` may be replaced at any time.

    `let_out` takes a payload that the link does not lose; False when it has no room for it. Made
    inside a running event loop, or before it.
    """

    def __init__(self, chance: random.Random, let_out: Callable[[str], bool]) -> None:
        self.impairment = Impairment()
        self.sent = 0
        """Counted by whoever sees lines leave."""
        self.dropped = 0
        self._chance = chance
        self._let_out = let_out

    def send(self, payload: str) -> None:
        """Let the link do to the line what it does."""
        delays_ns = fates(self.impairment, self._chance)
        self.dropped += not delays_ns
        for delay_ns in delays_ns:
            if delay_ns:
                asyncio.get_running_loop().call_later(delay_ns / NS, self._out, payload)
            else:
                self._out(payload)

    def _out(self, payload: str) -> None:
        self.dropped += not self._let_out(payload)

    def status(self) -> dict[str, Any]:
        """Lines handed on, lines lost here, and what bends the link."""
        return {"sent": self.sent, "dropped": self.dropped, **plain(self.impairment)}
