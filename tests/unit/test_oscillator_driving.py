"""What is asked of an oscillator gets done: whoever is late, at work, or killed."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer import strobing
from observer.driving import Driven, Driver
from observer.holding import Held, HeldFile, HoldingError, asked_anew, parse_held
from observer.oscillator import NS_PER_S, SCALED_PER_PPM, STEP_NS, Strobe, Temperature, Wander
from observer.strobing import come_home, move

SINCE_NS = 1_790_000_000 * NS_PER_S
WANDER = Wander(0.5, 7, SINCE_NS)
TEMPERATURE = Temperature(2.0, 60 * NS_PER_S, 0, SINCE_NS)
BY_NS = 200_000_000
STROBE = Strobe(BY_NS, NS_PER_S, SINCE_NS)


class Killed(BaseException):
    """SIGKILL came here."""


class FakePage:
    """A page whose clock stands still but for steps: what it shows is how far it was moved."""

    def __init__(self) -> None:
        self.wall_ns = 0
        self.ppm: float | None = None
        self.sets = 0

    def read(self, raw: int) -> int:
        return raw + self.wall_ns

    def step(self, by_ns: int) -> int:
        self.wall_ns += by_ns
        return 0

    def set_drift(self, ppm: float) -> int:
        self.ppm, self.sets = ppm, self.sets + 1
        return 0


class Bench:
    """One clock in a directory, and the driver at any lab time that a test wants."""

    def __init__(self, directory: Path) -> None:
        self.file = HeldFile(directory / "oscillator.json")
        self.page = FakePage()
        self.told: list[Any] = []
        self.driven = Driven("lyon", self.page, self.file)

    def restart(self) -> None:
        """Another main process, after the first was killed."""
        self.driven = Driven("lyon", self.page, self.file)

    def ask(self, **changes: Any) -> None:
        self.file.write(asked_anew(self.file.read() or Held(), **changes))

    def turn(self, into_ns: int) -> int:
        return self.driven.turn(SINCE_NS + into_ns, self.told.append) - SINCE_NS

    def kinds(self) -> list[str]:
        return [document["t"] for document in self.told]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


# --- the file -----------------------------------------------------------------------------

helds = st.builds(
    Held,
    st.floats(-1000, 1000),
    st.none() | st.just(WANDER),
    st.none() | st.just(TEMPERATURE),
    st.none() | st.just(STROBE),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.integers(-(10**12), 10**12),
    st.none() | st.builds(strobing.Jump, st.integers(), st.integers()),
)


@given(held=helds)
def test_what_is_asked_is_read_as_it_was_written(
    tmp_path_factory: pytest.TempPathFactory, held: Held
) -> None:
    file = HeldFile(tmp_path_factory.mktemp("held") / "oscillator.json")
    assert file.read() is None
    file.write(held)
    assert file.read() == held


@pytest.mark.parametrize("text", ["", "{}", "[]", "nonsense", '{"wander": {"seed": 1}}'])
def test_anything_else_is_refused(bench: Bench, text: str) -> None:
    bench.file.path.write_text(text)
    with pytest.raises(HoldingError, match=str(bench.file.path)):
        bench.file.read()
    with pytest.raises(ValueError):  # noqa: PT011 (json says it its own way)
        parse_held(text)


def test_who_holds_the_lock_for_too_long_is_not_waited_for(bench: Bench) -> None:
    with (
        bench.file.locked(),
        pytest.raises(HoldingError, match="another command"),
        bench.file.locked(0.05),
    ):
        pass
    with bench.file.locked(0):
        pass


# --- frequency ----------------------------------------------------------------------------


def test_nothing_is_done_to_a_clock_that_nothing_was_asked_of(bench: Bench) -> None:
    assert bench.turn(0) == STEP_NS
    assert (bench.page.sets, bench.told) == (0, [])


def test_constant_drift_is_set_once_and_never_again(bench: Bench) -> None:
    bench.ask(drift_ppm=50.0)
    for step in range(5):
        bench.turn(step * STEP_NS)
    assert (bench.page.ppm, bench.page.sets) == (50.0, 1)


def test_what_is_taken_up_is_said_and_told(bench: Bench) -> None:
    bench.ask(wander=WANDER, drift_ppm=1.0)
    bench.turn(0)
    held = bench.file.read()
    assert held is not None
    assert held.taken_up == held.generation == 1
    bench.turn(STEP_NS)
    (told,) = bench.told
    assert (told["t"], told["node"], told["lab_ns"]) == ("oscillator", "lyon", SINCE_NS)
    assert told["models"]["constant_ppm"] == 1.0
    assert told["models"]["wander"] == {
        "per_second_ppm": 0.5,
        "seed": 7,
        "since_lab_ns": SINCE_NS,
    }
    assert json.loads(json.dumps(told)) == told
    bench.file.wait_until_taken_up(1, within_s=0)
    with pytest.raises(HoldingError, match="main process did not take it up"):
        bench.file.wait_until_taken_up(2, within_s=0)


@settings(max_examples=30, deadline=None)
@given(turns=st.lists(st.integers(0, 400 * STEP_NS), min_size=1, max_size=20).map(sorted))
def test_the_frequency_depends_on_the_step_not_on_when_the_loop_ran(
    tmp_path_factory: pytest.TempPathFactory, turns: list[int]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    bench.ask(drift_ppm=-3.0, wander=WANDER, temperature=TEMPERATURE)
    for into_ns in turns:
        following_ns = bench.turn(into_ns)
        assert into_ns < following_ns <= into_ns + STEP_NS
        assert following_ns % STEP_NS == 0
        at_ns = SINCE_NS + into_ns
        scaled = WANDER.scaled(at_ns) + TEMPERATURE.scaled(at_ns) - 3 * SCALED_PER_PPM
        assert bench.page.ppm == scaled / SCALED_PER_PPM


def test_a_late_turn_catches_up_and_says_what_it_missed(bench: Bench) -> None:
    bench.ask(wander=WANDER)
    bench.turn(0)
    bench.turn(STEP_NS + 90_000_000)  # late, but within its step
    assert bench.kinds() == ["oscillator"]
    bench.turn(12 * STEP_NS)
    assert bench.told[1] == {
        "t": "oscillator.late",
        "lab_ns": SINCE_NS + 12 * STEP_NS,
        "node": "lyon",
        "steps": 10,
        "seconds": 1.0,
    }
    assert bench.page.ppm == WANDER.scaled(SINCE_NS + 12 * STEP_NS) / SCALED_PER_PPM


def test_a_main_process_that_comes_back_goes_on_where_the_model_is(bench: Bench) -> None:
    bench.ask(wander=WANDER)
    bench.turn(0)
    bench.restart()
    bench.turn(1000 * STEP_NS)
    assert bench.page.ppm == WANDER.scaled(SINCE_NS + 1000 * STEP_NS) / SCALED_PER_PPM


def test_a_page_that_a_killed_command_left_alone_follows_what_it_asked(bench: Bench) -> None:
    """A command writes down what it asks, then sets the page: it may be killed in between."""
    bench.ask(drift_ppm=1.0)
    bench.turn(0)
    bench.ask(drift_ppm=9.0)
    bench.turn(STEP_NS)
    assert bench.page.ppm == 9.0


def test_a_command_at_work_holds_up_its_own_clock_only(tmp_path: Path) -> None:
    benches = []
    for name in ("lyon", "paris"):
        (tmp_path / name).mkdir()
        benches.append(Bench(tmp_path / name))
        benches[-1].ask(drift_ppm=5.0)
    told: list[Any] = []
    raw = [SINCE_NS]
    driver = Driver(tuple(b.driven for b in benches), 0, lambda: raw[0], told.append)
    with benches[0].file.locked():
        assert driver.turn() < SINCE_NS + STEP_NS  # looked at again soon
        assert [bench.page.ppm for bench in benches] == [None, 5.0]
        raw[0] += NS_PER_S - 1
        driver.turn()
        assert [d["t"] for d in told] == ["oscillator"]  # of paris: commands take some time
        for _ in range(2):
            raw[0] += 1
            driver.turn()
    assert [d["t"] for d in told] == ["oscillator", "oscillator.trouble"]  # said once
    assert "another command" in told[1]["error"]
    driver.turn()
    assert benches[0].page.ppm == 5.0


def test_a_file_that_makes_no_sense_is_told_once_and_got_over(bench: Bench) -> None:
    bench.ask(drift_ppm=5.0)
    bench.turn(0)
    bench.file.path.write_text("{")
    bench.turn(STEP_NS)
    bench.turn(2 * STEP_NS)
    assert bench.kinds() == ["oscillator", "oscillator.trouble"]
    assert bench.page.ppm == 5.0
    bench.file.write(Held(drift_ppm=6.0, generation=9))
    bench.turn(3 * STEP_NS)
    assert bench.page.ppm == 6.0


def test_a_driver_of_no_clocks_waits_for_the_next_step() -> None:
    assert Driver((), 0, lambda: SINCE_NS + 5, print).turn() == SINCE_NS + 5 + STEP_NS


# --- strobe -------------------------------------------------------------------------------


def test_a_strobe_is_followed_to_its_turns_and_ends_at_home(bench: Bench) -> None:
    bench.ask(strobe=replace(STROBE, until_lab_ns=SINCE_NS + 1_234_000_000))
    at_ns, seen = 0, []
    while (held := bench.file.read()) is not None and held.strobe is not None:
        following_ns = bench.turn(at_ns)
        seen.append((at_ns, bench.page.wall_ns))
        at_ns = following_ns
    turned = [(at, wall) for (at, wall), (_, last) in zip(seen, [(0, 0), *seen], strict=False)
              if wall != last]  # fmt: skip
    assert turned == [(0, BY_NS), (500_000_000, 0), (1_000_000_000, BY_NS), (1_234_000_000, 0)]
    assert bench.told[-1]["models"]["strobe"] is None
    assert held is not None
    assert not held.moves


@given(turns=st.lists(st.integers(0, 10**11), max_size=20).map(sorted))
@settings(max_examples=30, deadline=None)
def test_a_strobe_that_was_driven_late_is_where_it_should_be_all_the_same(
    tmp_path_factory: pytest.TempPathFactory, turns: list[int]
) -> None:
    bench = Bench(tmp_path_factory.mktemp("bench"))
    bench.ask(strobe=STROBE)
    for into_ns in turns:
        bench.turn(into_ns)
        assert bench.page.wall_ns == STROBE.displacement_ns(SINCE_NS + into_ns)


def test_what_a_program_does_to_a_strobed_clock_is_kept(bench: Bench) -> None:
    bench.ask(strobe=STROBE)
    bench.turn(0)
    bench.page.step(-17)
    bench.turn(500_000_000)
    assert bench.page.wall_ns == -17


def kill_at(monkeypatch: pytest.MonkeyPatch, target: Any, name: str, *, before: bool) -> None:
    """The next call of `target.name` is the last thing that this process begins, or does."""
    real: Callable[..., Any] = getattr(target, name)

    def killed(*arguments: Any) -> None:
        monkeypatch.undo()
        if not before:
            real(*arguments)
        raise Killed

    monkeypatch.setattr(target, name, killed)


@pytest.mark.parametrize("where", ["announcing", "announced", "stepping", "stepped", "noted"])
@pytest.mark.parametrize("there", [True, False])
def test_a_jump_is_done_once_wherever_its_doer_is_killed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str, there: bool
) -> None:
    held, to_ns = Held(), BY_NS
    if not there:
        held, to_ns = move(bench.page, bench.file, held, BY_NS), 0
    bench.file.write(held)
    if where in ("announcing", "announced"):
        kill_at(monkeypatch, HeldFile, "write", before=where == "announcing")
    elif where in ("stepping", "stepped"):
        kill_at(monkeypatch, bench.page, "step", before=where == "stepping")
    else:
        kill_at(monkeypatch, strobing, "_note", before=False)
    with pytest.raises(Killed):
        move(bench.page, bench.file, held, to_ns)
    left = bench.file.read()
    assert left is not None
    left = move(bench.page, bench.file, left, to_ns)
    assert (bench.page.wall_ns, left.out_ns, left.jump) == (to_ns, to_ns, None)
    assert come_home(bench.page, bench.file, left).out_ns == bench.page.wall_ns == 0
