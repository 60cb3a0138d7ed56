"""The story of a sweep, every step in order.

1. make the run directory; keep the scenario and the list of points in it
2. for every point that is not finished yet:
   make the lab ready for it, play its phases, seal and judge it, note it in the journal;
   an attempt that fails is noted too, and made once more in a fresh lab
3. take the lab down
4. write the table, results.json, its report, and put checksums over everything

Step 3 and 4 happen whatever went wrong. A sweep that was interrupted, or killed, goes on where
it stopped: finished points are those that the journal says are finished.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ..analysis import Results
from ..analysis.sweep import judge_sweep, stored
from ..analysis.sweep_results import SweepResults
from ..driver.base import Driver
from ..errors import DiskError, EngineError, EvidenceError, LabError, NtplabError, UsageError
from ..events import (
    Emit,
    PointEnded,
    PointFailed,
    PointPrepared,
    PointStarted,
    ReportFailed,
    RunInterrupted,
    SweepStarted,
)
from ..evidence import (
    Attempt,
    ManifestPoint,
    ManifestSweep,
    RunDirectory,
    damage,
    digest_of,
    new_folder,
    note,
    read_journal,
    write_checksums,
)
from ..evidence.checksums import SUMS
from ..labtime import LabClock
from ..plan import Plan
from ..provenance import sweep_manifest
from ..report import try_report
from ..run import Heed, empty_directory, in_words, lab_name
from ..topology import RUN_LABEL
from .plans import PlannedPoint, left_s
from .point import Recorder, judge_point, make_point, play
from .stage import Stage

ATTEMPTS = 2
"""at each point, in one sitting"""
GIVEN_UP_MAX = 3
"""So many points in a row that came to nothing: the next would not do better."""


@dataclass(frozen=True)
class SweepRequest:
    """What to run: the plan without the sweep, its points, the scenario as text."""

    plan: Plan
    points: Sequence[PlannedPoint]
    expectations: Sequence[str]
    """over all points"""
    scenario_text: str
    overrides: Sequence[str]
    """`--set` as given: resuming needs them again"""
    runs: Path
    out: Path | None = None


def run_sweep(
    request: SweepRequest, driver: Driver, listen: Emit
) -> tuple[RunDirectory, SweepResults]:
    """Run every point; the run directory, with checksums, and the table.

    Raises what went wrong after the lab was removed and what there is was written down.
    """
    return _sit(_make_directory(request), request, driver, listen)


def resume_sweep(
    directory: RunDirectory, request: SweepRequest, driver: Driver, listen: Emit
) -> tuple[RunDirectory, SweepResults]:
    """Run the points of an earlier sweep that are not finished. Raises `EvidenceError` when
    `request` is not what that sweep was about."""
    sweep = directory.read_manifest().sweep
    if sweep is None:
        raise UsageError(f"{directory.path} is no sweep, it cannot be resumed")
    if [p.set for p in sweep.points] != [p.settings for p in request.points]:
        raise EvidenceError(f"{directory.path}: scenario.yaml has other points than the manifest")
    (directory.path / SUMS).unlink(missing_ok=True)
    return _sit(directory, request, driver, listen)


def _sit(
    directory: RunDirectory, request: SweepRequest, driver: Driver, listen: Emit
) -> tuple[RunDirectory, SweepResults]:
    clock = LabClock.anchored_now()
    recorder = Recorder(directory, listen)
    with ExitStack() as at_the_end:
        heed = Heed()
        at_the_end.callback(heed.again)
        at_the_end.callback(lambda: _conclude(directory, clock, listen))
        name, labels = lab_name(request.plan), {RUN_LABEL: directory.run_id}
        logs = _new_logs(directory)
        stage = Stage(driver, name, clock, recorder.emit, recorder.append, logs, labels)
        at_the_end.callback(stage.clear)
        at_the_end.callback(recorder.end)
        at_the_end.callback(heed.not_now)
        try:
            _Sitting(directory, request, stage, recorder, clock).run()
        except BaseException as reason:
            recorder.end()
            recorder.emit(RunInterrupted(clock.now_ns(), in_words(reason)))
            raise
    return directory, SweepResults.model_validate_json(directory.results.read_bytes())


class _Sitting:
    """The points from where an earlier sitting stopped to the end."""

    def __init__(
        self, directory: RunDirectory, request: SweepRequest, stage: Stage, recorder: Recorder,
        clock: LabClock,
    ) -> None:  # fmt: skip
        self.directory, self.request, self.stage = directory, request, stage
        self.recorder, self.clock = recorder, clock
        self._given_up = 0
        self._seconds: list[float] = []

    def run(self) -> None:
        left = self._left()
        done = len(self.request.points) - len(left)
        directory = str(self.directory.path)
        self.recorder.emit(
            SweepStarted(
                self.clock.now_ns(), self.request.plan.name, directory,
                len(self.request.points), done,
            )
        )  # fmt: skip
        for index, point in enumerate(left):
            self._point(point, left[index:])

    def _left(self) -> list[PlannedPoint]:
        """What is not finished, or whose evidence is no longer what it was."""
        finished = read_journal(self.directory).finished()
        return [
            point
            for point in self.request.points
            if point.number not in finished or damage(self.directory, finished[point.number])
        ]

    def _point(self, point: PlannedPoint, left: Sequence[PlannedPoint]) -> None:
        for number in range(1, ATTEMPTS + 1):
            self.recorder.emit(
                PointStarted(
                    self.clock.now_ns(), point.number, len(self.request.points), point.words,
                    number, left_s(left, self._seconds),
                )
            )  # fmt: skip
            if self._attempt(point, number):
                self._given_up = 0
                return
        self._given_up += 1
        if self._given_up == GIVEN_UP_MAX:
            reason = read_journal(self.directory).of(point.number)[-1].reason
            raise LabError(
                f"{GIVEN_UP_MAX} points in a row could not be had; the last: {reason}",
                hint=f"when that is mended: ./ntplab run --resume {self.directory.path}",
            )

    def _attempt(self, point: PlannedPoint, number: int) -> bool:
        """Whether the point is finished. What a new lab cannot mend is raised."""
        begun = time.monotonic()
        name = new_folder(self.directory, point.number)
        folder = RunDirectory.create_at(self.directory.path / name)
        try:
            attempt = self._play(point, folder, name, begun)
        except (EngineError, DiskError):
            raise  # no new lab mends these
        except NtplabError as error:
            self._fail(point, number, folder, name, error)
            return False
        note(self.directory, attempt)
        return True

    def _play(
        self, point: PlannedPoint, folder: RunDirectory, name: str, begun: float
    ) -> Attempt:  # fmt: skip
        changes = self.stage.prepare(point.plan)
        seconds = time.monotonic() - begun
        words = tuple(changes.words())
        self.recorder.emit(PointPrepared(self.clock.now_ns(), point.number, words, seconds))
        make_point(folder, point, self.stage, f"{self.directory.run_id}/{name}")
        self.recorder.begin(folder)
        try:
            play(point, self.stage, self.recorder)
        finally:
            self.recorder.end()
        self.stage.tidy()
        results = judge_point(folder)
        seconds = time.monotonic() - begun
        overhead_s = seconds - self.recorder.measured.seconds
        self._seconds.append(seconds)
        self._tell_end(point, results, seconds, overhead_s)
        return Attempt(
            point=point.number,
            folder=name,
            state="finished",
            digest=digest_of(folder),
            seconds=round(seconds, 3),
            overhead_s=round(overhead_s, 3),
            restarted=changes.restarted,
            changed=list(words),
        )

    def _tell_end(
        self, point: PlannedPoint, results: Results, seconds: float, overhead_s: float
    ) -> None:
        doubles = sum(phase.bookings.double_bookings for phase in results.phases)
        self.recorder.emit(
            PointEnded(
                self.clock.now_ns(), point.number, len(self.request.points), results.verdict,
                doubles, round(seconds, 3), round(overhead_s, 3),
            )
        )  # fmt: skip

    def _fail(
        self, point: PlannedPoint, number: int, folder: RunDirectory, name: str, error: NtplabError
    ) -> None:
        """Mark the attempt and take its lab down: the next one begins in a fresh lab."""
        again = number < ATTEMPTS
        now_ns = self.clock.now_ns()
        self.recorder.emit(PointFailed(now_ns, point.number, number, error.message, again))
        note(self.directory, Attempt(point=point.number, folder=name, state="failed",
                                     reason=error.message))  # fmt: skip
        self.stage.clear()
        if not (folder.path / "manifest.json").exists():
            folder.write_text("failed.txt", f"{error.message}\n")


def _make_directory(request: SweepRequest) -> RunDirectory:
    plan = request.plan
    directory = empty_directory(plan, request.runs, request.out)
    directory.write_text("scenario.yaml", request.scenario_text)
    points = [ManifestPoint(number=p.number, set=p.settings) for p in request.points]
    sweep = ManifestSweep(
        points=points, expect=list(request.expectations), overrides=list(request.overrides)
    )
    directory.write_manifest(sweep_manifest(plan, directory.run_id, sweep))
    return directory


def _new_logs(directory: RunDirectory) -> Path:
    """A folder for the logs of this sitting's labs."""
    logs = directory.path / "logs"
    sitting = 1 + len(list(logs.iterdir())) if logs.is_dir() else 1
    return logs / f"sitting-{sitting}"


def _conclude(directory: RunDirectory, clock: LabClock, listen: Emit) -> None:
    """The table, the report and the checksums, of whatever there is."""
    manifest = directory.read_manifest()
    finished = read_journal(directory).finished()
    if manifest.sweep and all(point.number in finished for point in manifest.sweep.points):
        ended = datetime.now(UTC).isoformat()
        directory.write_manifest(manifest.model_copy(update={"ended_at": ended}))
    directory.write_text(directory.results.name, judge_sweep(directory, stored).to_json())
    reason = try_report(directory)
    write_checksums(directory)
    if reason:
        listen(ReportFailed(clock.now_ns(), str(directory.path), reason))
