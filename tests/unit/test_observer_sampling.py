"""The schedule of sampling, and what a sample holds."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from observer.output import JsonLines
from observer.sampling import Sampler
from observer.schedule import NS_PER_S, Schedule

ANCHOR_NS = 1_790_000_000 * NS_PER_S

schedules = st.builds(Schedule, st.integers(0, 10**18), st.integers(1, 10**10))


@given(schedules, st.integers(0, 10**6), st.integers(0, 10**12))
def test_the_next_turn_is_the_first_that_is_not_past(
    schedule: Schedule, turn: int, late_ns: int
) -> None:
    now_ns = schedule.due_ns(turn) + late_ns
    following = schedule.after(turn, now_ns)
    assert following > turn
    assert now_ns < schedule.due_ns(following) <= now_ns + schedule.period_ns


@given(schedules, st.lists(st.floats(0, 0.999), max_size=50))
def test_turns_that_are_a_little_late_do_not_move_the_schedule(
    schedule: Schedule, lateness: list[float]
) -> None:
    turn = 0
    for part in lateness:
        late_ns = min(int(part * schedule.period_ns), schedule.period_ns - 1)
        turn = schedule.after(turn, schedule.due_ns(turn) + late_ns)
    assert turn == len(lateness)
    assert schedule.due_ns(turn) == schedule.start_ns + len(lateness) * schedule.period_ns


@given(schedules, st.integers(0, 10**6), st.integers(0, 10**12))
def test_a_gap_is_more_than_three_periods(schedule: Schedule, turn: int, late_ns: int) -> None:
    now_ns = schedule.due_ns(turn) + late_ns
    assert schedule.is_gap(turn, now_ns) == (late_ns > 3 * schedule.period_ns)


@pytest.mark.parametrize(("rate_hz", "period_ns"), [(20, 50_000_000), (0.5, 2 * NS_PER_S)])
def test_the_period_is_the_inverse_of_the_rate(rate_hz: float, period_ns: int) -> None:
    assert Schedule.at_rate(0, rate_hz).period_ns == period_ns


class World:
    """Raw time that passes only while somebody waits; late by what the test says."""

    def __init__(self, delays_ns: Mapping[int, int], turns: int) -> None:
        self.raw_ns = 5_000
        self.delays_ns, self.turns = delays_ns, turns
        self.waits = 0

    def wait(self, seconds: float) -> bool:
        self.raw_ns += round(seconds * NS_PER_S) + self.delays_ns.get(self.waits, 0)
        self.waits += 1
        return self.waits > self.turns

    def sample(self, clocks: Mapping[str, Any], rate_hz: float = 20) -> list[Any]:
        told: list[Any] = []
        Sampler(clocks, ANCHOR_NS, lambda: self.raw_ns, told.append).run(rate_hz, self)
        return told


class Offset:
    """A clock so far from lab time, that remembers when it was read."""

    def __init__(self, offset_ns: int) -> None:
        self.offset_ns = offset_ns
        self.read_at: list[int] = []

    def read(self, raw: int) -> int:
        self.read_at.append(raw)
        return raw + ANCHOR_NS + self.offset_ns


def test_all_clocks_are_read_at_one_instant() -> None:
    clocks = {"paris": Offset(0), "lyon": Offset(-5 * NS_PER_S)}
    told = World({}, turns=3).sample(clocks)
    assert clocks["paris"].read_at == clocks["lyon"].read_at
    assert told == [
        {
            "t": "clock",
            "lab_ns": raw + ANCHOR_NS,
            "n": {
                "paris": [raw + ANCHOR_NS, 0],
                "lyon": [raw + ANCHOR_NS - 5 * NS_PER_S, -5 * NS_PER_S],
            },
        }
        for raw in (5_000, 50_005_000, 100_005_000)
    ]


def test_a_late_sample_is_taken_at_once_and_the_next_is_on_time() -> None:
    told = World({1: 60_000_000}, turns=4).sample({})
    assert [each["lab_ns"] - ANCHOR_NS - 5_000 for each in told] == [
        0,
        110_000_000,  # due at 50 ms, 60 ms late; the one due at 100 ms is left out
        150_000_000,
        200_000_000,
    ]


def test_a_sample_much_too_late_tells_of_the_gap() -> None:
    told = World({2: 900_000_000}, turns=4).sample({})
    assert [each["t"] for each in told] == ["clock", "clock", "gap", "clock", "clock"]
    gap = told[2]
    assert gap["since_lab_ns"] == told[1]["lab_ns"]
    assert gap["lab_ns"] == told[3]["lab_ns"]
    assert gap["seconds"] == pytest.approx(0.95)


def test_a_wait_that_ends_early_does_not_sample_early() -> None:
    told = World({1: -10_000_000}, turns=3).sample({})
    assert [each["lab_ns"] - ANCHOR_NS - 5_000 for each in told] == [0, 50_000_000]


def test_lines_are_whole_json_documents() -> None:
    reader, writer = os.pipe()
    emit = JsonLines(writer)
    emit({"t": "clock", "n": {"é": [1, -2]}})
    emit({"t": "gap"})
    os.close(writer)
    with open(reader, "rb") as written:
        assert written.read() == b'{"t":"clock","n":{"\\u00e9":[1,-2]}}\n{"t":"gap"}\n'
