"""What the nodes of the train system report, put into evidence tables.

A node's facts are lines of its container's log, which outlives node and orchestrator alike.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping

from ..driver.base import Driver
from .databases import RawClocks
from .samples import Append
from .streams import Document, Stream

ENDS = frozenset({"ticket.owned", "request.none", "request.expired", "request.refused"})
JOIN_S = 10.0


class TrainFeed:
    """Follows every node; knows who runs and which clients have a request under way.

    Documents wait until `place` says how the nodes' raw clocks become lab time.
    """

    def __init__(self, driver: Driver, lab: str, append: Append) -> None:
        self._driver, self._lab, self._append = driver, lab, append
        self._streams: dict[str, Stream] = {}
        self._taken: Counter[str] = Counter()
        self._clocks: RawClocks | None = None
        self._waiting: list[tuple[str, Document]] = []
        self._changed = threading.Condition()
        self.starts: Counter[str] = Counter()
        """how often each node said that it started"""
        self.under_way: set[str] = set()
        """clients that may have a request under way"""

    def follow(self, node: str) -> None:
        """Follow a node's log; after a restart from where it was left."""
        if node in self._streams:
            self._streams[node].join(JOIN_S)
        skip, seen = self._taken[node], Counter[str]()

        def hear(document: Document) -> None:
            seen[node] += 1
            if seen[node] > skip:
                self._taken[node] += 1
                self._hear(node, document)

        self._streams[node] = Stream(self._driver, self._lab, node, hear).start()

    def place(self, clocks: RawClocks) -> None:
        """From now on documents are evidence, those that waited too."""
        with self._changed:
            self._clocks = clocks
            waiting, self._waiting = self._waiting, []
            for node, document in waiting:
                self._append("ticket_events", [to_event(node, document, clocks)])

    def check(self) -> None:
        """Raises what keeps the facts from being recorded, if anything does."""
        for stream in self._streams.values():
            stream.check()

    def wait(self, timeout_s: float) -> None:
        """Return when something new was reported, or after `timeout_s`."""
        with self._changed:
            self._changed.wait(timeout_s)

    def _hear(self, node: str, document: Document) -> None:
        with self._changed:
            self._note(node, document)
            if self._clocks is None:
                self._waiting.append((node, document))
            else:
                self._append("ticket_events", [to_event(node, document, self._clocks)])
            self._changed.notify_all()

    def _note(self, node: str, document: Document) -> None:
        event = event_name(document)
        if event == "node.started":
            self.starts[node] += 1
        elif event == "request.sent" or event == "load.taken_up":
            self.under_way.add(node)
        elif event in ENDS:
            self.under_way.discard(node)


def event_name(document: Mapping[str, object]) -> str:
    """What happened: a fact's own name, or `node.started`, `node.stopped`, `node.rejected`."""
    return str(document["event"] if document["t"] == "fact" else f"node.{document['t']}")


def to_event(node: str, document: Document, clocks: RawClocks) -> Document:
    """A row of `ticket_events`."""
    raw_ns = int(document["raw_ns"])
    return {
        **document,
        "node": node,
        "event": event_name(document),
        "lab_ns": clocks.lab_ns(node, raw_ns),
        "detail": document.get("reason"),
    }
