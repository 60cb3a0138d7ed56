"""What chronyd says, as this service understands it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from booking import chrony
from booking.chrony import Belief, Watch, ask, believe, parse_tracking
from booking.clocks import Reading

NOW = Reading(10, 20)
FAST = (
    "C0A80102,192.168.1.2,2,1700000000.000000000,-0.000012345,-0.000010000,0.000020000,"
    "49.970,0.010,0.100,0.000300000,0.000050000,16.0,Normal\n"
)
UNSYNCHRONISED = "7F7F0101,,0,0.0,0.0,0,0,1.0,0,0,1.0,1.0,0.0,Not synchronised\n"


def test_a_fast_clock_has_a_positive_offset() -> None:
    tracking = parse_tracking(FAST)
    assert tracking.offset_ns == 12_345
    assert tracking.frequency_ppm == 49.97
    assert (tracking.reference, tracking.stratum, tracking.leap) == ("192.168.1.2", 2, "Normal")


def test_the_bound_is_offset_and_dispersion_and_half_the_delay() -> None:
    assert parse_tracking(FAST).error_bound_ns == 12_345 + 50_000 + 150_000
    slow = FAST.replace("-0.000012345", "0.000012345")
    assert parse_tracking(slow).offset_ns == -12_345
    assert parse_tracking(slow).error_bound_ns == 12_345 + 50_000 + 150_000


def test_what_chronyc_answers_is_a_state() -> None:
    assert believe(0, FAST, NOW).state == "ok"
    assert believe(0, UNSYNCHRONISED, NOW).state == "not synchronised"
    gone = believe(1, "506 Cannot talk to daemon\n", NOW)
    assert (gone.state, gone.reason) == ("chronyd not running", "506 Cannot talk to daemon")
    assert believe(0, "something new", NOW).state == "unknown"
    assert believe(0, FAST.replace("49.970", "fast"), NOW).state == "unknown"


@pytest.fixture
def chronyc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for chronyc; write its script."""
    program = tmp_path / "chronyc"
    monkeypatch.setattr(chrony, "COMMAND", (str(program),))
    return program


def write(program: Path, script: str) -> None:
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


async def test_asking_runs_the_program(chronyc: Path) -> None:
    assert (await ask(lambda: NOW)).state == "unknown"  # there is none
    write(chronyc, f"printf '%s' '{FAST}'")
    belief = await ask(lambda: NOW)
    assert belief.state == "ok"
    assert belief.asked == NOW
    write(chronyc, "echo '506 Cannot talk to daemon'; exit 1")
    assert (await ask(lambda: NOW)).state == "chronyd not running"


async def test_a_program_that_hangs_is_given_up(
    chronyc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chrony, "ASK_TIMEOUT_S", 0.05)
    write(chronyc, "exec sleep 60")
    belief = await ask(lambda: NOW)
    assert (belief.state, belief.reason) == ("chronyd not running", "no answer within 0.05 s")


async def test_the_watch_goes_on_when_a_belief_cannot_be_recorded(
    chronyc: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chrony, "PERIOD_S", 0.01)
    write(chronyc, f"printf '%s' '{FAST}'")
    told: list[Belief] = []
    twice = asyncio.Event()

    async def hear(belief: Belief) -> None:
        told.append(belief)
        if len(told) == 2:
            twice.set()
        raise ConnectionResetError("the database went away")

    watch = Watch(lambda: NOW, hear)
    task = asyncio.create_task(watch.run())
    await asyncio.wait_for(twice.wait(), 30)
    task.cancel()
    assert watch.belief == told[-1]
    assert watch.belief.state == "ok"
