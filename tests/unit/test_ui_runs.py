"""Runs on the page: one that grows, one that is played again, one seat explained."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ntplab.analysis import judge
from ntplab.driver.fake import FakeDriver
from ntplab.errors import UsageError
from ntplab.evidence import RunDirectory, seal, write_checksums
from ntplab.plan import Plan
from ntplab.ui.desk import Desk, about_run
from ntplab.ui.model import Model
from ntplab.ui.replay import Replay
from ntplab.ui.tail import GrowingFile, Tail
from simulated_lab import MS, S, SimPhase, Simulation, constant, races

WRONG = {"paris": constant(0), "lyon": constant(-5 * S)}


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    """Ten races for a seat, lyon slow: every one is sold twice."""
    simulation = Simulation(tmp_path)
    return simulation.play(SimPhase("ntp-off", "off", races(10, 1000 * MS), WRONG))


def until(look: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def no_plan(file: Path) -> Plan:
    raise AssertionError(f"nobody asked for {file}")


def desk_of(run: RunDirectory) -> Desk:
    runs = run.path.parents[1]
    return Desk(runs, runs, FakeDriver, no_plan, lambda _plan: FakeDriver())


def test_a_replay_ends_where_the_run_ended(run: RunDirectory) -> None:
    replay = Replay(run, about_run(run))
    whole = replay.model.snapshot()
    judged = judge(run).phases[0].bookings
    assert judged.double_bookings > 0
    hall = whole["halls"][0]
    assert hall["twice"] == judged.double_bookings
    assert (hall["attempts"], hall["receipts"]) == (judged.attempts, judged.receipts)
    replay.seek(replay.start_ns)
    assert replay.model.snapshot()["halls"] != whole["halls"]
    for share in range(1, 11):
        replay.seek(replay.start_ns + (replay.end_ns - replay.start_ns) * share // 10)
    assert {**replay.model.snapshot(), "about": 0} == {**whole, "about": 0}


def test_a_replay_plays_pauses_and_begins_again(run: RunDirectory) -> None:
    replay = Replay(run, about_run(run)).start()
    try:
        replay.control(playing=True, speed=20.0)  # from the end: it begins again
        assert replay.position_ms < 1000
        until(lambda: replay.position_ms > 0)
        replay.control(playing=False)
        paused_ms = replay.position_ms
        replay.control(playing=True)
        until(lambda: not replay.playing)
        assert replay.position_ms > paused_ms
        assert replay.model.about()["replay"]["position_ms"] == replay.position_ms
        assert replay.position_ms == (replay.end_ns - replay.start_ns) / 1e6
    finally:
        replay.stop()


@pytest.mark.parametrize("sealed", [False, True])
def test_a_seat_explains_itself(run: RunDirectory, sealed: bool) -> None:
    if sealed:
        seal(run)
        write_checksums(run)
    desk = desk_of(run)
    desk.replay(str(run.path))
    try:
        told = desk.seat("ntp-off", "A-0003")
        expected = next(
            double
            for double in judge(run).phases[0].bookings.double_booking_details
            if double.seat == "A-0003"
        )
        assert told["words"] == expected.words
        assert told["status"] == "explained"
        assert told["cause"] == "clock-skew"
        assert told["numbers_ns"] == expected.pairs[0].numbers_ns
        assert {one["server"] for one in told["receipts"]} == {"paris", "lyon"}
        assert desk.seat("ntp-off", "Z-9999")["receipts"] == []
        with pytest.raises(UsageError, match="no lab"):
            _ = desk.session
    finally:
        desk.close()


def test_a_growing_file_gives_whole_lines_only(tmp_path: Path) -> None:
    path = tmp_path / "clock.jsonl"
    growing = GrowingFile(path)
    assert growing.read() == []
    path.write_text('{"a":1}\n{"a":')
    assert growing.read() == [{"a": 1}]
    with path.open("a") as file:
        file.write("2}\n")
    path.unlink()  # sealed: what was opened stays readable to its end
    assert growing.read() == [{"a": 2}]
    growing.close()


def test_a_run_that_grows_shows_what_its_replay_shows(run: RunDirectory, tmp_path: Path) -> None:
    growing = RunDirectory.create_at(tmp_path / "growing")
    model, ended = Model(servers=["paris", "lyon"]), []
    tail = Tail(growing, model.feed, lambda: ended.append(True)).start()
    for name in ("clock", "attempts"):
        for line in (run.evidence / f"{name}.jsonl").read_text().splitlines(keepends=True):
            with (growing.evidence / f"{name}.jsonl").open("a") as file:
                file.write(line)
    for line in (run.path / "events.jsonl").read_text().splitlines():
        growing.append_event(json.loads(line))
    until(lambda: ended)
    tail.stop()
    replayed = Replay(run, about_run(run)).model.snapshot()
    shown = model.snapshot()
    for key in ("seats", "shades"):
        assert shown[key] == replayed[key]
    assert [hall["twice"] for hall in shown["halls"]] == [h["twice"] for h in replayed["halls"]]


def test_what_is_shown_can_be_put_away(run: RunDirectory) -> None:
    desk = desk_of(run)
    assert desk.library()["runs"] == [f"synthetic/{run.run_id}"]
    desk.replay(run.run_id)
    assert desk.model.about()["mode"] == "replay"
    with pytest.raises(UsageError, match="no speed"):
        desk.control_replay(True, 7.0, None)
    desk.clear()
    assert desk.model.about()["mode"] == "idle"
