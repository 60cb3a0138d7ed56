"""The story of a sweep: whatever stops it, and wherever, nothing finished is lost or done again."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntplab.analysis import SweepResults, verify
from ntplab.analysis.results import PhaseEvidence, PhaseResult, Results
from ntplab.driver.fake import FakeDriver
from ntplab.errors import DiskError, EvidenceError, LabError, NodeError, NtplabError, UsageError
from ntplab.events import (
    Event,
    PointEnded,
    PointFailed,
    PointPrepared,
    PointStarted,
    ReportFailed,
)
from ntplab.evidence import RunDirectory, read_journal, write_checksums
from ntplab.evidence import journal as journals
from ntplab.planner import make_plan
from ntplab.scenario import Checks, parse_experiment
from ntplab.sweep import (
    Changes,
    PlannedPoint,
    SweepRequest,
    plan_points,
    resume_sweep,
    run_sweep,
    running,
)
from ntplab.sweep.point import Recorder

SCENARIO = """
name: s
policy: unique
servers: [{name: paris}, {name: lyon}]
phases: [{name: load, duration: 4s, ntp: off}]
sweep:
  grid: [{name: skew, key: servers.lyon.clock.offset, values: [0s, 1s, 2s, 3s]}]
  expect: [points.phases.load.bookings.double_bookings == 0]
"""
POINTS = 4


class Killed(BaseException):
    """SIGKILL: nothing of ours runs any more."""


@dataclass
class World:
    """What happens at the steps of a sweep: a test says which step fails, and how."""

    fails: dict[int, BaseException] = field(default_factory=dict)
    """number of a step, counted over all sittings -> what is raised there"""
    steps: int = 0
    played: list[int] = field(default_factory=list)
    cleared: int = 0

    def step(self) -> None:
        self.steps += 1
        if (error := self.fails.pop(self.steps, None)) is not None:
            raise error


class FakeStage:
    """No lab at all; what a sweep asks of one."""

    world: World

    def __init__(self, *_: Any) -> None:
        pass

    def prepare(self, _plan: Any) -> Changes:
        self.world.step()
        return Changes()

    def tidy(self) -> None:
        self.world.step()

    def clear(self) -> None:
        self.world.cleared += 1


@contextmanager
def simulated(world: World) -> Iterator[None]:
    """Points that take no time and leave a run directory each."""

    def make_point(folder: RunDirectory, _point: Any, _stage: Any, run: str) -> None:
        world.step()
        folder.write_text("manifest.json", json.dumps({"run": run}))

    def play(point: PlannedPoint, _stage: Any, recorder: Recorder) -> None:
        world.step()
        recorder.append("clock", [{"lab_ns": 1, "node": "paris", "wall_ns": point.number}])
        world.step()
        world.played.append(point.number)

    def judge_point(folder: RunDirectory) -> Results:
        phase = PhaseResult(name="load", ntp="off", evidence=PhaseEvidence(complete=True))
        results = Results(
            run="r", scenario="s", policy="unique", seed=1, verdict="met", phases=[phase]
        )
        folder.write_text("results.json", results.to_json())
        world.step()
        write_checksums(folder)
        return results

    def note(*given: Any) -> Any:
        world.step()
        noted = journals.note(*given)
        world.step()
        return noted

    def conclude(*given: Any) -> None:
        world.step()
        concluded(*given)

    concluded = running._conclude
    FakeStage.world = world
    with pytest.MonkeyPatch.context() as patched:
        for name, stand_in in (
            ("Stage", FakeStage), ("make_point", make_point), ("play", play),
            ("judge_point", judge_point), ("note", note), ("_conclude", conclude),
        ):  # fmt: skip
            patched.setattr(running, name, stand_in)
        yield


def request(out: Path) -> SweepRequest:
    experiment = parse_experiment(SCENARIO, "s.yaml", (), Checks())
    sweep = experiment.scenario.sweep
    assert sweep is not None
    plan = make_plan(experiment.scenario)
    points = plan_points(experiment.points)
    return SweepRequest(plan, points, sweep.expect, SCENARIO, (), out.parent, out)


def run_to_the_end(
    out: Path, world: World, listen: Callable[[Event], None] = lambda _: None
) -> SweepResults:
    """Sittings one after the other until every point is finished."""
    driver = FakeDriver()
    with simulated(world):
        for sitting in range(20):
            try:
                if sitting == 0 or not (out / "manifest.json").exists():
                    results = run_sweep(request(out), driver, listen)[1]
                else:
                    again = RunDirectory.open(out)
                    results = resume_sweep(again, request(out), driver, listen)[1]
            except (Killed, KeyboardInterrupt, NtplabError):
                continue
            if all(point.folder for point in results.points):
                return results
    raise AssertionError("it never came to its end")


FAILURES = st.sampled_from(["kill", "interrupt", "node", "disk"])


def failure(kind: str) -> BaseException:
    errors: dict[str, BaseException] = {
        "kill": Killed(),
        "interrupt": KeyboardInterrupt(),
        "node": NodeError("lyon died with exit code 137"),
        "disk": DiskError("no space"),
    }
    return errors[kind]


@settings(max_examples=30, deadline=None)
@given(st.dictionaries(st.integers(1, 40), FAILURES, max_size=5))
def test_whatever_stops_it_every_point_is_finished_and_none_twice(fails: dict[int, str]) -> None:
    world = World({at: failure(kind) for at, kind in fails.items()})
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        results = run_to_the_end(out, world)
        journal = read_journal(RunDirectory(out))
        finished = [a.point for a in journal.attempts if a.state == "finished"]
        assert sorted(finished) == [1, 2, 3, 4]
        # Played again only where the journal had not yet been written.
        assert len(world.played) - POINTS <= len(fails)
        assert [point.number for point in results.points] == [1, 2, 3, 4]
        assert results.verdict == "met"
        kept = {path.name for path in (out / "points").iterdir()}
        assert kept >= {a.folder.removeprefix("points/") for a in journal.attempts}
        assert verify_checksums(out) == []


def verify_checksums(out: Path) -> list[str]:
    return [problem for problem in verify(out) if "results.json" not in problem]


def test_a_node_that_dies_is_marked_and_the_point_made_once_more(tmp_path: Path) -> None:
    events: list[Event] = []
    world = World({3: failure("node")})
    with simulated(world):
        directory, results = run_sweep(request(tmp_path / "out"), FakeDriver(), events.append)
    assert [(a.point, a.state) for a in read_journal(directory).attempts][:2] == [
        (1, "failed"), (1, "finished"),
    ]  # fmt: skip
    (failed,) = results.points[0].failed
    assert failed.reason == "lyon died with exit code 137"
    assert results.verdict == "met"
    assert results.notes == ["point 1 was tried again: lyon died with exit code 137"]
    assert [type(event) for event in events if getattr(event, "point", 0) == 1] == [
        PointStarted, PointPrepared, PointFailed, PointStarted, PointPrepared, PointEnded,
    ]  # fmt: skip
    assert world.cleared == 2, "the second attempt gets a fresh lab, the last one is taken down"


def test_a_point_that_cannot_be_had_is_unknown_and_the_rest_goes_on(tmp_path: Path) -> None:
    world = World({1: failure("node"), 4: failure("node")})  # steps 2 and 3 note the first
    with simulated(world):
        _, results = run_sweep(request(tmp_path / "out"), FakeDriver(), lambda _: None)
    assert [point.verdict for point in results.points] == ["unknown", "met", "met", "met"]
    assert results.points[0].reasons == ["lyon died with exit code 137"]
    assert len(results.points[0].failed) == 2
    assert results.verdict == "unknown"


def test_a_report_that_fails_is_told_and_the_sweep_is_whole(tmp_path: Path) -> None:
    events: list[Event] = []
    with simulated(World()), pytest.MonkeyPatch.context() as patched:
        patched.setattr(running, "try_report", lambda _: "no pixel left")
        directory, results = run_sweep(request(tmp_path / "out"), FakeDriver(), events.append)
    assert [e.reason for e in events if isinstance(e, ReportFailed)] == ["no pixel left"]
    assert results.verdict == "met"
    assert verify_checksums(directory.path) == []


def test_a_lab_that_never_comes_up_is_not_tried_for_every_point(tmp_path: Path) -> None:
    world = World({step: failure("node") for step in range(1, 18, 3)})
    with simulated(world), pytest.raises(LabError, match="3 points in a row") as raised:
        run_sweep(request(tmp_path / "out"), FakeDriver(), lambda _: None)
    assert "--resume" in raised.value.hint
    results = SweepResults.model_validate_json((tmp_path / "out" / "results.json").read_bytes())
    assert [point.verdict for point in results.points] == ["unknown"] * 4
    assert results.points[3].reasons == ["it was not run"]


def test_a_full_disk_ends_the_sweep_at_once_and_what_there_is_stays(tmp_path: Path) -> None:
    """No new lab makes room: the point is not tried again, and not marked as failed."""
    out = tmp_path / "out"
    world = World({10: failure("disk")})  # while the second point is played
    with simulated(world):
        with pytest.raises(DiskError, match="no space"):
            run_sweep(request(out), FakeDriver(), lambda _: None)
        attempts = read_journal(RunDirectory(out)).attempts
        assert [(a.point, a.state) for a in attempts] == [(1, "finished")]
        left = SweepResults.model_validate_json((out / "results.json").read_bytes())
        assert [point.verdict for point in left.points] == ["met", *["unknown"] * 3]
        assert verify_checksums(out) == []
        results = resume_sweep(RunDirectory.open(out), request(out), FakeDriver(), lambda _: None)
    assert results[1].verdict == "met"
    assert world.played == [1, 2, 3, 4]


def test_evidence_that_was_touched_since_is_measured_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    world = World()
    with simulated(world):
        run_sweep(request(out), FakeDriver(), lambda _: None)
        (out / "points" / "0002-1" / "manifest.json").write_text("{}")
        resume_sweep(RunDirectory.open(out), request(out), FakeDriver(), lambda _: None)
    assert world.played == [1, 2, 3, 4, 2]
    assert read_journal(RunDirectory(out)).finished()[2].folder == "points/0002-2"


def test_only_a_sweep_as_it_was_started_can_be_resumed(tmp_path: Path) -> None:
    out = tmp_path / "out"
    with simulated(World()):
        run_sweep(request(out), FakeDriver(), lambda _: None)
        other = request(out)
        shorter = SweepRequest(other.plan, other.points[:2], (), SCENARIO, (), out.parent, out)
        with pytest.raises(EvidenceError, match="other points than the manifest"):
            resume_sweep(RunDirectory.open(out), shorter, FakeDriver(), lambda _: None)
        manifest = json.loads((out / "manifest.json").read_text())
        (out / "manifest.json").write_text(json.dumps({**manifest, "sweep": None}))
        with pytest.raises(UsageError, match="is no sweep"):
            resume_sweep(RunDirectory.open(out), other, FakeDriver(), lambda _: None)


def test_a_damaged_journal_is_an_error_not_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "journal.json").write_text("{")
    with pytest.raises(EvidenceError, match=r"journal\.json: damaged"):
        read_journal(RunDirectory(tmp_path))
