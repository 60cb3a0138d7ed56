"""The pure parts of the report: numbers, scales, drawing, language, thinning, commands."""

from __future__ import annotations

import re
import string
from itertools import pairwise
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.analysis.results import ExpectationResult
from ntplab.errors import UsageError
from ntplab.evidence import (
    Evidence,
    Manifest,
    ManifestPoint,
    ManifestSweep,
    RunDirectory,
    SpoolWriter,
)
from ntplab.report.again import again
from ntplab.report.inequality import with_numbers
from ntplab.report.language import CODES, language
from ntplab.report.numbers import MINUS, NOTHING, Numbers
from ntplab.report.page import observed
from ntplab.report.plot import apart, spread
from ntplab.report.samples import Window, courses
from ntplab.report.scales import Linear, Symlog, nice_step, of_shares
from ntplab.report.svg import drawing, element, path
from ntplab.report.words_en import WORDS as ENGLISH
from ntplab.report.words_fr import WORDS as FRENCH

N = Numbers()
REALS = st.floats(-1e15, 1e15, allow_nan=False)
NS = st.integers(-(10**13), 10**13)


# --- numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value_ns", "shown"),
    [
        (0, "0 s"),
        (628_827_415, "629 ms"),
        (-5_000_924_642, f"{MINUS}5 s"),
        (999_600_000, "1 s"),
        (11_176, "11.2 µs"),
        (7, "7 ns"),
        (None, NOTHING),
    ],
)
def test_durations_carry_their_unit(value_ns: int | None, shown: str) -> None:
    assert N.duration(value_ns).replace("\N{NO-BREAK SPACE}", " ") == shown


@given(NS)
def test_a_duration_is_near_what_it_says(value_ns: int) -> None:
    text = N.duration(value_ns).replace(MINUS, "-")
    number, unit = text.split("\N{NO-BREAK SPACE}")
    scale = {"s": 10**9, "ms": 10**6, "µs": 10**3, "ns": 1}[unit]
    assert float(number) * scale == pytest.approx(value_ns, rel=0.006)
    assert abs(float(number)) < 1000 or unit == "s"


def test_french_numbers_have_a_comma_and_a_space_before_the_percent_sign() -> None:
    french = language("fr").numbers
    assert french.duration(1_234_000_000) == "1,23\N{NO-BREAK SPACE}s"
    assert french.percent(0.125) == "12,5\N{NO-BREAK SPACE}%"
    assert french.time(1_795_348_800_123_456_789) == "12:00:00,123"


@given(st.floats(0, 1))
def test_only_all_is_hundred_percent_and_only_none_is_zero(share: float) -> None:
    shown = N.percent(share)
    assert (shown == "0%") == (share == 0)
    assert shown != "100%" or share > 0.9999


def test_nothing_measured_is_a_dash_and_never_a_zero() -> None:
    assert {
        N.real(None), N.count(None), N.duration(None), N.seconds(None), N.millis(None),
        N.percent(None), N.time(None),
    } == {NOTHING}  # fmt: skip


def test_an_inequality_with_its_numbers() -> None:
    numbers = {"gap": 628_827_415, "skew": 800_182_225, "delta": 500_902_515, "lag": 2_727_659}
    shown = with_numbers("delta - lag < gap < theta_A - theta_B", numbers, N)
    plain = shown.replace("\N{NO-BREAK SPACE}", " ")
    assert plain == f"500.9 ms {MINUS} 2.728 ms < 628.8 ms < 800.2 ms"


def test_a_term_that_was_not_measured_keeps_its_letters() -> None:
    assert with_numbers("gap < lag", {"gap": 5, "lag": None}, N).endswith("< lag")


# --- language -----------------------------------------------------------------------------


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_both_languages_say_the_same_things_with_the_same_values() -> None:
    assert ENGLISH.keys() == FRENCH.keys()
    assert {k: places(v) for k, v in ENGLISH.items()} == {k: places(v) for k, v in FRENCH.items()}


def test_every_word_that_code_or_template_asks_for_is_there() -> None:
    folder = Path(__file__).parents[2] / "orchestrator" / "ntplab" / "report"
    files = [*folder.glob("*.py"), *folder.glob("templates/*.j2")]
    asked = {key for file in files for key in re.findall(r'\bsay\("(\w+)"[,)]', file.read_text())}
    assert asked
    assert asked - ENGLISH.keys() == set()


def test_an_unknown_language_is_named_with_those_there_are() -> None:
    with pytest.raises(UsageError, match="'tlh'") as caught:
        language("tlh")
    assert all(code in caught.value.hint for code in CODES)


# --- drawing ------------------------------------------------------------------------------


@given(st.text(), st.text())
def test_whatever_is_drawn_stays_text(name: str, value: str) -> None:
    clean = [re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd]", "", text) for text in (name, value)]
    svg = drawing(10, 10, clean[0], [element("text", clean[1], class_=clean[0])])
    root = ElementTree.fromstring(str(svg))
    texts = [node.text or "" for node in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [t.replace("\r\n", "\n").replace("\r", "\n") for t in texts] == [
        clean[1].replace("\r\n", "\n").replace("\r", "\n")
    ]
    assert len(list(root.iter())) == 3


def test_a_gap_lifts_the_pen() -> None:
    assert path([(0.0, 1.0), (2.0, 3.0), None, (4.0, 5.04)]) == "M0 1L2 3M4 5"


@given(REALS, st.floats(1e-6, 1e15))
def test_linear_ticks_are_inside_and_even(low: float, width: float) -> None:
    scale = Linear(low, low + width)
    if scale.high == scale.low or width / max(abs(low), 1) < 1e-6:
        return
    ticks = scale.ticks()
    assert 1 <= len(ticks) <= 16
    assert all(-1e-6 <= scale.at(tick) <= 1 + 1e-6 for tick in ticks)


@given(st.floats(1, 1e13), st.floats(1, 1e13), st.lists(st.floats(-1e13, 1e13), min_size=2))
def test_symlog_keeps_the_order_and_the_ends(below: float, above: float, some: list[float]) -> None:
    scale = Symlog(-below, above)
    assert scale.at(-below) == pytest.approx(0)
    assert scale.at(above) == pytest.approx(1)
    placed = [scale.at(value) for value in sorted(some)]
    assert placed == sorted(placed)
    assert 0 in scale.ticks()


@given(st.floats(1e-12, 1e12))
def test_a_nice_step_is_at_most_two_and_a_half_times_what_was_asked(step: float) -> None:
    assert step * (1 - 1e-6) <= nice_step(step) <= 2.5 * step


@given(st.floats(0, 1))
def test_a_scale_of_shares_holds_the_highest(highest: float) -> None:
    assert of_shares(highest).at(highest) <= 1 + 1e-9


@given(st.lists(st.floats(0, 200), max_size=12).map(sorted))
def test_labels_never_run_into_each_other(wanted: list[float]) -> None:
    placed = spread(wanted, 13.0, 222.0)
    gaps = [b - a for a, b in pairwise(placed)]
    assert all(gap >= 13.0 - 1e-9 for gap in gaps)
    assert not placed or placed[-1] <= 222.0


def test_zero_is_labeled_whatever_is_near_it() -> None:
    assert apart([-1.0, 0.0, 1.0, 100.0], lambda value: value, 10.0) == [0.0, 100.0]


# --- thinning -----------------------------------------------------------------------------


def recorded(folder: Path, samples: list[tuple[int, int]]) -> Evidence:
    run = RunDirectory.create_at(folder)
    with SpoolWriter(run) as spool:
        spool.append(
            "clock",
            [{"lab_ns": t, "node": "a", "wall_ns": t + d, "divergence_ns": d} for t, d in samples],
        )
    return Evidence(run)


SAMPLES = st.lists(st.tuples(st.integers(0, 5_000), NS), min_size=1, max_size=200)


@given(samples=SAMPLES, pixels=st.integers(1, 50))
def test_thinning_loses_no_extreme_and_invents_nothing(
    tmp_path_factory: pytest.TempPathFactory, samples: list[tuple[int, int]], pixels: int
) -> None:
    evidence = recorded(tmp_path_factory.mktemp("run") / "r", samples)
    window = Window(1_000, 4_000, pixels)
    (found,) = courses(evidence, [window])
    inside = [d for t, d in samples if 1_000 <= t <= 4_000]
    if not inside:
        assert found == {}
        return
    course = found["a"]
    assert course.extremes_ns == (min(inside), max(inside))
    assert len(course.lab_ns) <= pixels
    assert list(course.lab_ns) == sorted(course.lab_ns)
    assert set(course.low_ns) | set(course.high_ns) <= set(inside)


# --- doing it again -----------------------------------------------------------------------


def manifest(**more: object) -> Manifest:
    fields = {"run": "r", "scenario_name": "s", "policy": "unique", "seed": 7, **more}
    return Manifest.model_validate(fields)


def test_a_run_is_done_again_with_its_sets_and_its_seed() -> None:
    line = ["/x/__main__.py", "run", "a b.yaml", "--keep", "--set", "a=1 2", "--set=b=3", "--out=x"]
    assert again(manifest(command_line=line), "runs/s/r") == (
        "./ntplab run runs/s/r/scenario.yaml --set 'a=1 2' --set b=3 --seed 7"
    )


def test_what_was_recorded_counts_more_than_the_command_line() -> None:
    """`NTPLAB_RUN_SET` is on no command line."""
    recorded = manifest(command_line=["ntplab", "run", "x.yaml"], overrides=["a=1", "seed=9"])
    assert again(recorded, "runs/s/r") == (
        "./ntplab run runs/s/r/scenario.yaml --set a=1 --set seed=9"
    )


def test_a_point_names_its_sweep() -> None:
    line = ["ntplab", "run", "x.yaml", "--set", "a=1"]
    assert again(manifest(command_line=line, point={"skew": "1s"}), "runs/s/r/points/0001-1") == (
        "./ntplab run runs/s/r/points/0001-1/../../scenario.yaml --set a=1"
    )


def test_a_sweep_is_done_again_with_its_overrides() -> None:
    sweep = ManifestSweep(points=[ManifestPoint(number=1, set={})], overrides=["seed=3"])
    assert again(manifest(sweep=sweep), "runs/s/r") == (
        "./ntplab run runs/s/r/scenario.yaml --set seed=3"
    )


def test_without_a_record_no_command_is_made_up() -> None:
    assert again(manifest(), "runs/s/r") == ""


# --- what was expected --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("expect", "value", "shown"),
    [
        ("phases.off.divergence.max_abs_ns > 4900ms", 5_000_800_000, "5.0008 s"),
        ("any(points[skew>1s].phases.x.divergence.max_abs_ns) > 1ms", 2_000_000, "2 ms"),
        ("phases.on.sync.seconds_to_1ms <= 10", 0.955429, "0.955429 s"),
        ("phases.off.bookings.double_bookings > 0", 14, "14"),
        ("phases.off.bookings.rate > 0", None, NOTHING),
    ],
)
def test_what_was_observed_carries_its_unit(expect: str, value: float | None, shown: str) -> None:
    found = ExpectationResult(expect=expect, observed=value, verdict="met")
    assert observed(found, language("en")).replace("\N{NO-BREAK SPACE}", " ") == shown
