"""Probes every host's clock, and asks every server for its, while a run lasts.

Evidence: a `clock` row for every probe that was answered, with its own error; a `belief` row for
every answer of `GET /clock`; and those answers' raw readings, for `hosttimes`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

import requests

from ..collect.samples import Append
from ..labtime import LabClock
from ..units import NS_PER_S
from .hosttimes import HostTimes
from .inventory import Fleet, Host
from .sntp import NoAnswer, ProbeReading, query

PROBE_HZ = 4
ASK_HZ = 2
REFERENCE = "reference"
"""The node under whose name the reference's own probes are kept."""


@dataclass(frozen=True)
class _Target:
    name: str
    address: str
    port: int


class Watch:
    """Start it, then `latest` says how far each clock was; `stop` ends it."""

    def __init__(self, fleet: Fleet, clock: LabClock, append: Append) -> None:
        self.times = HostTimes()
        self._fleet, self._clock, self._append = fleet, clock, append
        self._latest: dict[str, ProbeReading] = {}
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin with all of them at once."""
        targets = [_Target(h.name, h.address, h.probe_port) for h in self._fleet.hosts]
        targets.append(_Target(REFERENCE, self._fleet.reference, self._fleet.reference_port))
        work: list[Callable[[], None]] = [self._prober(target) for target in targets]
        work += [self._asker(host) for host in self._fleet.hosts]
        self._threads = [threading.Thread(target=do, daemon=True) for do in work]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End it, and wait for what is under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=5)

    def latest(self) -> dict[str, ProbeReading]:
        """The newest reading of every clock; those older than a second are none."""
        now_ns = self._clock.now_ns()
        found = dict(self._latest)
        return {name: one for name, one in found.items() if now_ns - one.lab_ns < NS_PER_S}

    def _prober(self, target: _Target) -> Callable[[], None]:
        def probe() -> None:
            for round_ns in self._rounds(PROBE_HZ):
                try:
                    seen = query(target.address, target.port, self._clock)
                except NoAnswer:
                    continue
                self._latest[target.name] = seen
                # All clocks of a round under one time, as in a lab: they are then compared. What a
                # clock does between two samples is in the error of what is told of it then.
                row = {
                    "lab_ns": round_ns,
                    "node": target.name,
                    "wall_ns": round_ns + seen.offset_ns,
                    "divergence_ns": seen.offset_ns,
                    "error_ns": seen.error_ns,
                }
                self._append("clock", [row])

        return probe

    def _asker(self, host: Host) -> Callable[[], None]:
        def ask() -> None:
            with requests.Session() as session:
                for _ in self._rounds(ASK_HZ):
                    self._ask(session, host)

        return ask

    def _ask(self, session: requests.Session, host: Host) -> None:
        asked_ns = self._clock.now_ns()
        try:
            answer = session.get(f"{host.url}/clock", timeout=2)
            answered_ns = self._clock.now_ns()
            said = answer.json()
            self.times.told(host.name, asked_ns, answered_ns, int(said["raw_ns"]))
            belief = said["chronyd"]
        except (requests.RequestException, ValueError, KeyError, TypeError):
            return
        row = {"ref_name": belief.get("reference"), **belief}
        self._append("belief", [{**row, "node": host.name, "lab_ns": answered_ns}])

    def _rounds(self, hz: int) -> Rounds:
        return Rounds(self._clock, self._stop, NS_PER_S // hz)


class Rounds:
    """Lab times a fixed step apart, each given when it has come; ends when told to stop."""

    def __init__(self, clock: LabClock, stop: threading.Event, step_ns: int) -> None:
        self._clock, self._stop, self._step_ns = clock, stop, step_ns
        self._last_ns = 0

    def __iter__(self) -> Rounds:
        return self

    def __next__(self) -> int:
        now_ns = self._clock.now_ns()
        due_ns = max(now_ns // self._step_ns + 1, self._last_ns // self._step_ns + 1)
        due_ns *= self._step_ns
        while (left_ns := due_ns - self._clock.now_ns()) > 0:
            if self._stop.wait(left_ns / NS_PER_S):
                raise StopIteration
        if self._stop.is_set():
            raise StopIteration
        self._last_ns = due_ns
        return due_ns


def anchored_to(address: str, port: int, within_s: float = 10) -> tuple[LabClock, ProbeReading]:
    """Lab time: this machine's raw clock anchored to the reference, by the shortest of some
    queries; and that query. Raises `NoAnswer`."""
    start = LabClock.anchored_now()
    deadline = time.monotonic() + within_s
    found: list[ProbeReading] = []
    trouble = NoAnswer(f"{address}:{port}: no answer")
    while len(found) < 8 and time.monotonic() < deadline:
        try:
            found.append(query(address, port, start))
        except NoAnswer as error:
            trouble = error
    if not found:
        raise trouble
    best = min(found, key=lambda one: one.error_ns)
    return LabClock(start.anchor_ns + best.offset_ns), best
