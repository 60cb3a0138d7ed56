"""One attempt at one point: a run directory of its own, filled from the lab that is there.

Everything that happens and is sampled from `begin` to `end` belongs to the point; what comes
before and after belongs to the sweep.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable
from datetime import UTC, datetime

from ..analysis import Results, analyze
from ..collect.databases import RawClocks
from ..collect.streams import Document
from ..errors import NodeError
from ..events import (
    Emit,
    Event,
    NtpSettled,
    NtpSwitched,
    PhaseEnded,
    PhaseMeasuring,
    RunEnded,
    RunStarted,
)
from ..evidence import RunDirectory, SpoolWriter, seal, write_checksums
from ..phases import PhaseRunner
from ..plan import Plan
from ..provenance import point_manifest, raw_offsets_ns
from ..run import write_rendered
from ..units import NS_PER_S
from .plans import PlannedPoint
from .stage import Stage

SAMPLED_WITHIN_S = 5.0


class Recorder:
    """Where evidence goes: to the sweep, or to the point that is under way."""

    def __init__(self, sweep: RunDirectory, listen: Emit) -> None:
        self._sweep, self._listen = sweep, listen
        self._point: RunDirectory | None = None
        self._spool: SpoolWriter | None = None
        self._lock = threading.Lock()
        self.measured = Measured()

    def emit(self, event: Event) -> None:
        self.measured.heed(event)
        (self._point or self._sweep).append_event(event.record())
        self._listen(event)

    def append(self, table: str, rows: Iterable[Document]) -> None:
        """Rows of the point under way; between points nobody needs them."""
        with self._lock:
            if self._spool is not None:
                self._spool.append(table, rows)

    def begin(self, point: RunDirectory) -> None:
        with self._lock:
            self._point, self._spool = point, SpoolWriter(point)
        self.measured = Measured()

    def end(self) -> None:
        """Nothing more goes to the point; what it was given is on the disk."""
        with self._lock:
            spool, self._spool, self._point = self._spool, None, None
        if spool is not None:
            spool.close()


class Measured:
    """How long a point measured: its load windows, and waiting for clocks to settle."""

    def __init__(self) -> None:
        self.ns = 0
        self._since_ns: int | None = None
        self._switched_ns: int | None = None

    @property
    def seconds(self) -> float:
        return self.ns / NS_PER_S

    def heed(self, event: Event) -> None:
        if isinstance(event, PhaseMeasuring):
            self._since_ns = event.lab_ns
        elif isinstance(event, PhaseEnded) and self._since_ns is not None:
            self.ns += event.lab_ns - self._since_ns
            self._since_ns = None
        elif isinstance(event, NtpSwitched) and event.state == "on":
            self._switched_ns = event.lab_ns
        elif isinstance(event, NtpSettled) and self._switched_ns is not None:
            self.ns += max(0, event.lab_ns - self._switched_ns)
            self._switched_ns = None


def make_point(folder: RunDirectory, point: PlannedPoint, stage: Stage, run: str) -> None:
    """Everything that is known of a point before it begins."""
    folder.write_text("plan.json", json.dumps(point.plan.to_json(), indent=2) + "\n")
    write_rendered(point.plan, folder)
    folder.write_manifest(
        point_manifest(stage.provenance, stage.lab, run, point.scenario, point.settings)
    )


def play(point: PlannedPoint, stage: Stage, recorder: Recorder) -> None:
    """All phases of the point. Raises `NtplabError` when it cannot be had, or a node died."""
    lab, emit = stage.lab, recorder.emit
    emit(RunStarted(lab.now_ns(), point.plan.name, lab.name, ""))
    clocks = RawClocks(lab.handle.clock.anchor_ns, raw_offsets_ns(stage.provenance))
    runner = PhaseRunner(lab, stage.buyers, recorder.append, emit, clocks)
    for phase in point.plan.phases:
        runner.run(phase)
    _check_deaths(point.plan, stage)
    _wait_for_samples(stage)
    emit(RunEnded(lab.now_ns()))


def judge_point(folder: RunDirectory) -> Results:
    """Seal what was recorded, judge it, put checksums over all of it."""
    seal(folder)
    ended = datetime.now(UTC).isoformat()
    folder.write_manifest(folder.read_manifest().model_copy(update={"ended_at": ended}))
    results = analyze(folder)
    write_checksums(folder)
    return results


def _check_deaths(plan: Plan, stage: Stage) -> None:
    """A node that died though no fault was to kill it spoils the point."""
    lab = stage.lab
    lab.check_alive()
    planned = {f.node for phase in plan.phases for f in phase.faults if f.kind == "kill"}
    if unplanned := sorted(lab.dead - planned):
        node = unplanned[0]
        info = lab.driver.container(lab.name, node)
        raise lab.driver.death(info) if info else NodeError(f"{node} is gone")


def _wait_for_samples(stage: Stage) -> None:
    """Until the clocks were seen after the last phase: what is under way in a pipe is evidence."""
    ended_ns = stage.lab.now_ns()
    deadline = time.monotonic() + SAMPLED_WITHIN_S
    while time.monotonic() < deadline:
        latest = stage.lab.feed.latest()
        if latest and max(reading.lab_ns for reading in latest.values()) >= ended_ns:
            return
        stage.lab.feed.wait(0.05)
