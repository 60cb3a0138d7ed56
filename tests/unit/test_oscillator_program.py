"""Models of an oscillator as commands beside the real main process, on real clock pages."""

from __future__ import annotations

import json
import math
import signal
import subprocess
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from observer.holding import HeldFile
from observer.oscillator import SCALED_PER_PPM, STEP_NS, Temperature, Wander

from .test_observer_program import BEHIND_NS, Observer, lab_now_ns

S = 1_000_000_000


class Main:
    """The main process; what it says is read all the time."""

    def __init__(self, observer: Observer) -> None:
        self.process = observer.start()
        self.said: list[Any] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()
        self.until(lambda: self.of_kind("ready"))

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.said.append(json.loads(line))

    def of_kind(self, kind: str) -> list[Any]:
        return [document for document in list(self.said) if document["t"] == kind]

    def until(self, condition: Any) -> Any:
        deadline = time.monotonic() + 60
        while not (found := condition()):
            assert time.monotonic() < deadline, self.said[-3:]
            time.sleep(0.01)
        return found

    def end(self, number: signal.Signals = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.wait(timeout=60)
        self._reader.join(timeout=60)
        if self.process.stdout is not None:
            self.process.stdout.close()


@pytest.fixture
def observer(tmp_path: Path, library: Path) -> Observer:
    return Observer(tmp_path, library)


@pytest.fixture
def main(observer: Observer) -> Iterator[Main]:
    process = Main(observer)
    yield process
    process.end()


def models(observer: Observer, node: str = "lyon") -> Any:
    return observer("show", node)["nodes"][node]["models"]


def expected_ppm(answer: Any, node: str = "lyon") -> float:
    """The oscillator's error at the instant of `answer`, by the models it names."""
    found, lab_ns = answer["nodes"][node]["models"], answer["read_lab_ns"]
    scaled = round(found["constant_ppm"] * SCALED_PER_PPM)
    if found["wander"]:
        scaled += Wander(**found["wander"]).scaled(lab_ns)
    if found["temperature"]:
        scaled += Temperature(**found["temperature"]).scaled(lab_ns)
    return scaled / SCALED_PER_PPM


def test_a_command_answers_once_the_main_process_goes_by_it(observer: Observer, main: Main) -> None:
    asked_ns = lab_now_ns()
    answer = observer("wander", "lyon", "--ppm=0.5", "--seed=7")
    wander = answer["nodes"]["lyon"]["models"]["wander"]
    assert (wander["per_second_ppm"], wander["seed"]) == (0.5, 7)
    assert asked_ns - S // 10 <= wander["since_lab_ns"] <= answer["read_lab_ns"]
    told = main.until(lambda: [d for d in main.of_kind("oscillator") if d["models"]["wander"]])
    assert told[0]["models"]["wander"] == wander


def test_the_oscillator_follows_drift_wander_and_temperature(
    observer: Observer, main: Main
) -> None:
    observer("wander", "lyon", "--ppm=5")
    observer("temperature", "lyon", "--ppm=100", "--period-ns=2000000000")
    observer("drift", "lyon", "--ppm=-20")
    seen = []

    def followed() -> bool:
        """The page is asked between turns: most answers are of the step they were read in."""
        answer = observer("show", "lyon")
        seen.append(answer["nodes"]["lyon"]["drift_ppm"])
        return bool(seen[-1] == expected_ppm(answer))

    for _ in range(3):
        main.until(followed)
    assert len(set(seen)) > 2
    assert models(observer)["constant_ppm"] == -20
    assert not main.of_kind("oscillator.trouble")


def test_the_page_of_a_model_shows_its_integral(observer: Observer, main: Main) -> None:
    """Sampled divergence against the model: turns may come late within their step."""
    amplitude_ppm, period_s = 1000.0, 60
    answer = observer(
        "temperature", "paris", f"--ppm={amplitude_ppm}", f"--period-ns={period_s * S}"
    )
    model = Temperature(**answer["nodes"]["paris"]["models"]["temperature"])
    first = len(main.said)
    main.until(lambda: len(main.said) > 200 + first)
    samples = [(d["lab_ns"], d["n"]["paris"][1]) for d in main.said[first:] if d["t"] == "clock"]
    (begin_ns, begin), (end_ns, end) = samples[0], samples[-1]
    gained_ns, at_ns = 0.0, begin_ns
    while at_ns < end_ns:
        step_ends_ns = min(end_ns, (at_ns // STEP_NS + 1) * STEP_NS)
        gained_ns += model.scaled(at_ns) / SCALED_PER_PPM / 1e6 * (step_ends_ns - at_ns)
        at_ns = step_ends_ns
    missed = sum(document["steps"] for document in main.of_kind("oscillator.late"))
    change_per_step_ppm = amplitude_ppm * math.tau / period_s * STEP_NS / S
    slack_ns = change_per_step_ppm * 1e-6 * (end_ns - begin_ns + STEP_NS) * (1 + missed)
    assert gained_ns > 5 * slack_ns or missed
    assert end - begin == pytest.approx(gained_ns, abs=slack_ns)


def test_a_node_s_own_seed_is_used_unless_another_is_named(observer: Observer) -> None:
    nodes = [{**node, "seed": 42 + i} for i, node in enumerate(observer.config["nodes"])]
    observer.configure(nodes=nodes)
    main = Main(observer)
    try:
        for node, seed in (("paris", 42), ("lyon", 43)):
            observer("wander", node, "--ppm=1")
            assert models(observer, node)["wander"]["seed"] == seed
    finally:
        main.end()


def test_models_begin_with_the_page(observer: Observer) -> None:
    paris, lyon = observer.config["nodes"]
    lyon["initial"] |= {
        "wander": {"per_second_ppm": 0.25, "seed": 3},
        "temperature": {"amplitude_ppm": 2.0, "period_ns": 60 * S, "phase_ns": 15 * S},
    }
    observer.configure(nodes=[paris, lyon])
    main = Main(observer)
    try:
        begun = models(observer)
        assert begun["wander"]["seed"] == 3
        assert begun["temperature"]["phase_ns"] == 15 * S
        assert begun["wander"]["since_lab_ns"] == begun["temperature"]["since_lab_ns"]
        shown = observer("show", "lyon")["nodes"]["lyon"]
        assert 50 < shown["drift_ppm"] < 55
        assert models(observer, "paris")["wander"] is None
    finally:
        main.end()


def test_a_main_process_that_was_killed_goes_on_with_the_same_models(observer: Observer) -> None:
    first = Main(observer)
    observer("wander", "lyon", "--ppm=5", "--seed=1")
    before = models(observer)
    first.end()
    second = Main(observer)
    try:
        assert models(observer) == before
        second.until(lambda: second.of_kind("oscillator"))
        second.until(lambda: (a := observer("show", "lyon"))["nodes"]["lyon"]["drift_ppm"]
                     == expected_ppm(a))  # fmt: skip
    finally:
        second.end()


def test_without_a_main_process_a_model_is_an_error_and_a_drift_is_not(observer: Observer) -> None:
    Main(observer).end()
    done = observer.run("wander", "lyon", "--ppm=1")
    assert done.returncode == 1
    assert "the observer's main process did not take it up" in done.stderr
    observer("reset", "lyon")
    assert observer("drift", "lyon", "--ppm=3")["nodes"]["lyon"]["drift_ppm"] == 3.0


def test_a_command_killed_while_it_held_the_lock_holds_up_nobody(
    observer: Observer, main: Main
) -> None:
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom observer.holding import HeldFile\n"
        "with HeldFile.beside(Path(sys.argv[1])).locked():\n"
        "    print('locked', flush=True)\n    time.sleep(600)\n"
    )
    page = observer.directory / "lyon" / "page"
    holder = subprocess.Popen(
        ["python3", "-c", program, str(page)],
        env=observer.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "locked\n"
    main.until(lambda: main.of_kind("oscillator.trouble"))
    holder.kill()
    holder.communicate()
    assert observer("drift", "lyon", "--ppm=9")["nodes"]["lyon"]["drift_ppm"] == 9.0


def divergences_ns(main: Main, node: str, since: int) -> list[int]:
    return [d["n"][node][1] for d in list(main.said[since:]) if d["t"] == "clock"]


def test_a_strobe_is_seen_on_both_sides_and_ends_at_home(observer: Observer, main: Main) -> None:
    first = len(main.said)
    answer = observer(
        "strobe", "paris", "--by-ns=-300000000", "--period-ns=400000000", "--for-ns=1500000000"
    )
    assert answer["nodes"]["paris"]["models"]["strobe"]["by_ns"] == -300_000_000
    main.until(lambda: models(observer, "paris")["strobe"] is None)
    seen = divergences_ns(main, "paris", first)
    assert set(seen) == {0, -300_000_000}
    jumps = sum(a != b for a, b in pairwise(seen))
    assert 2 <= jumps <= 8
    assert observer("show", "paris")["divergence_ns"]["paris"] == 0


@pytest.mark.parametrize("command", [["steady"], ["strobe", "--by-ns=0", "--period-ns=20000000"]])
def test_a_strobe_that_is_ended_goes_home(
    observer: Observer, main: Main, command: list[str]
) -> None:
    observer("strobe", "paris", "--by-ns=300000000", "--period-ns=3000000000")
    main.until(lambda: 300_000_000 in divergences_ns(main, "paris", 0))
    name, *options = command
    answer = observer(name, "paris", *options)
    assert answer["divergence_ns"]["paris"] == 0
    assert answer["nodes"]["paris"]["models"]["strobe"] is None


def test_set_and_step_under_a_strobe_count_from_home(observer: Observer, main: Main) -> None:
    observer("strobe", "paris", "--by-ns=300000000", "--period-ns=200000000")
    observer("set", "paris", "--offset-ns=1000")
    observer("step", "paris", "--by-ns=7")
    assert observer("steady", "paris")["divergence_ns"]["paris"] == 1007


def test_steady_ends_what_is_named_and_keeps_the_rest(observer: Observer, main: Main) -> None:
    observer("wander", "lyon", "--ppm=5")
    observer("temperature", "lyon", "--ppm=5", "--period-ns=5000000000")
    observer("steady", "lyon", "--model=wander")
    assert models(observer)["wander"] is None
    assert models(observer)["temperature"] is not None
    answer = observer("steady", "lyon")
    assert models(observer)["temperature"] is None
    assert answer["nodes"]["lyon"]["drift_ppm"] == 50.0
    assert answer["divergence_ns"]["lyon"] == pytest.approx(-BEHIND_NS, abs=10_000_000)


def test_reset_ends_everything(observer: Observer, main: Main) -> None:
    observer("wander", "lyon", "--ppm=5")
    observer("strobe", "lyon", "--by-ns=300000000", "--period-ns=200000000")
    answer = observer("reset", "lyon")
    assert answer["divergence_ns"]["lyon"] == 0
    found = answer["nodes"]["lyon"]["models"]
    assert found == {"constant_ppm": 0.0, "wander": None, "temperature": None, "strobe": None}
    first = len(main.said)
    main.until(lambda: len(divergences_ns(main, "lyon", first)) > 30)
    assert set(divergences_ns(main, "lyon", first)) == {0}


def test_reset_gets_over_a_file_that_cannot_be_read(observer: Observer, main: Main) -> None:
    file = HeldFile.beside(observer.directory / "lyon" / "page")
    with file.locked():  # else the main process, which notes what it took up, may write over it
        file.path.write_text("{")
    assert observer.run("drift", "lyon", "--ppm=1").returncode == 1
    assert observer("reset", "lyon")["divergence_ns"]["lyon"] == 0
    observer("wander", "lyon", "--ppm=1")


def test_a_frozen_clock_stands_still_while_its_models_go_on(observer: Observer, main: Main) -> None:
    observer("temperature", "paris", "--ppm=1000", "--period-ns=2000000000")
    frozen = observer("freeze", "paris")["nodes"]["paris"]
    later = observer("show", "paris")["nodes"]["paris"]
    assert later["wall_ns"] == frozen["wall_ns"]
    thawed = observer("thaw", "paris")
    assert thawed["nodes"]["paris"]["frozen"] is False
    assert thawed["nodes"]["paris"]["models"]["temperature"]["amplitude_ppm"] == 1000
    main.until(lambda: (a := observer("show", "paris"))["nodes"]["paris"]["drift_ppm"]
               == expected_ppm(a, "paris"))  # fmt: skip


@pytest.mark.parametrize(
    ("argv", "exit_code", "words"),
    [
        (["wander", "lyon", "--ppm=-1"], 2, "-1 is less than 0"),
        (["temperature", "lyon", "--ppm=1", "--period-ns=5"], 2, "5 is less than 1000000000"),
        (["strobe", "lyon", "--by-ns=1", "--period-ns=1000"], 2, "1000 is less than 20000000"),
        (["wander", "lyon", "--ppm=1e9"], 1, "Invalid argument"),
        (["steady", "lyon", "--model=freeze"], 2, "invalid choice"),
    ],
)
def test_what_makes_no_sense_is_refused(
    observer: Observer, main: Main, argv: list[str], exit_code: int, words: str
) -> None:
    before = models(observer)
    done = observer.run(*argv)
    assert done.returncode == exit_code
    assert words in done.stderr
    assert models(observer) == before
