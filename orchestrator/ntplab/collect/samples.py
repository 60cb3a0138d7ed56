"""What the observer and the buyers report, put into evidence tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass

from ..events import (
    Emit,
    Event,
    OscillatorAsked,
    OscillatorLate,
    OscillatorTrouble,
    SampleGap,
)
from .streams import Document

Append = Callable[[str, Iterable[Document]], object]
"""`append(table, rows)`: puts rows into a spool (`evidence.SpoolWriter.append`)."""


@dataclass(frozen=True)
class ClockReading:
    """One node's clock at `lab_ns`: its wall clock and how far it is from lab time."""

    lab_ns: int
    wall_ns: int
    divergence_ns: int


KEPT_NS_MIN = 100_000_000
"""Readings kept for `take_readings` are this far apart, or the clock jumped between them."""
JUMP_NS_MIN = 1_000_000


class ObserverFeed:
    """Takes the observer's documents; keeps the newest reading of every clock at hand, and some
    of those since `take_readings`."""

    def __init__(self, append: Append, emit: Emit) -> None:
        self._append, self._emit = append, emit
        self._latest: dict[str, ClockReading] = {}
        self._kept: dict[str, list[ClockReading]] = {}
        self._changed = threading.Condition()
        self.ready: Document | None = None

    def __call__(self, document: Document) -> None:
        kind = document["t"]
        if kind == "clock":
            self._clock(document)
        elif kind == "belief":
            self._append("belief", [document])
        elif kind == "gap":
            self._emit(SampleGap(int(document["lab_ns"]), float(document.get("seconds", 0.0))))
        elif kind.startswith("oscillator"):
            self._emit(oscillator_event(document))
        elif kind == "ready":
            with self._changed:
                self.ready = document
                self._changed.notify_all()

    def _clock(self, document: Document) -> None:
        lab_ns = int(document["lab_ns"])
        readings = {
            node: ClockReading(lab_ns, wall_ns, divergence_ns)
            for node, (wall_ns, divergence_ns) in document["n"].items()
        }
        self._append("clock", [{"node": node, **asdict(r)} for node, r in readings.items()])
        with self._changed:
            self._latest.update(readings)
            for node, reading in readings.items():
                _keep(self._kept.setdefault(node, []), reading)
            self._changed.notify_all()

    def take_readings(self) -> dict[str, list[ClockReading]]:
        """Readings of every clock since this was asked last, some ten in a second."""
        with self._changed:
            kept, self._kept = self._kept, {}
            return kept

    def latest(self) -> dict[str, ClockReading]:
        with self._changed:
            return dict(self._latest)

    def wait(self, timeout_s: float) -> None:
        """Return when something new was reported, or after `timeout_s`."""
        with self._changed:
            self._changed.wait(timeout_s)


def _keep(kept: list[ClockReading], reading: ClockReading) -> None:
    if kept:
        jumped = abs(reading.divergence_ns - kept[-1].divergence_ns) >= JUMP_NS_MIN
        if reading.lab_ns - kept[-1].lab_ns < KEPT_NS_MIN and not jumped:
            return
    kept.append(reading)


def oscillator_event(document: Document) -> Event:
    """What the observer says of an oscillator."""
    lab_ns, node = int(document["lab_ns"]), str(document["node"])
    match document["t"]:
        case "oscillator.late":
            steps, seconds = int(document["steps"]), float(document["seconds"])
            return OscillatorLate(lab_ns, node, steps, seconds)
        case "oscillator.trouble":
            return OscillatorTrouble(lab_ns, node, str(document["error"]))
    return OscillatorAsked(lab_ns, node, document["models"])


class BuyersFeed:
    """Takes one phase's buyers' documents; knows when they are done."""

    def __init__(self, append: Append) -> None:
        self._append = append
        self.arrivals = 0
        self.attempts = 0
        self.unsent = 0
        """arrivals that were drawn and nobody was sent for: the load was ended before"""
        self.done = False

    def __call__(self, document: Document) -> None:
        kind = document["t"]
        if kind == "attempt":
            self.attempts += 1
            self._append("attempts", [document])
        elif kind == "load":
            self.arrivals = int(document["arrivals"])
        elif kind == "done":
            self.unsent = int(document["unsent"])
            self.done = True
