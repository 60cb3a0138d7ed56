"""The models of an oscillator: what they give for a step depends on the step alone, and has the
statistics that their formulas say."""

from __future__ import annotations

import math
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from statistics import NormalDist, fmean

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from observer.oscillator import (
    HORIZON,
    MAX_PPM,
    NS_PER_S,
    SCALED_PER_PPM,
    STEP_NS,
    Strobe,
    Temperature,
    Wander,
    normal,
    sum_scaled,
    walk,
)
from observer.pages import ClockPage, _library

SINCE_NS = 1_790_000_000 * NS_PER_S
FALSE_ALARM = 1e-9
"""How often a right model would fail one statistical test."""

seeds = st.integers(0, 2**53 - 1)
steps = st.integers(0, 10**7)
periods = st.integers(NS_PER_S, 86_400 * NS_PER_S)
temperatures = st.builds(
    Temperature,
    st.floats(0, 1000),
    periods,
    st.integers(0, 86_400 * NS_PER_S),
    st.just(SINCE_NS),
)
strobes = st.builds(
    Strobe,
    st.integers(-(10**10), 10**10),
    st.integers(20_000_000, 10**10),
    st.just(SINCE_NS),
    st.none() | st.integers(SINCE_NS, SINCE_NS + 10**11),
)


def at(step: int) -> int:
    return SINCE_NS + step * STEP_NS


def chi_square_interval(degrees: int) -> tuple[float, float]:
    """Both ends that a chi-square number over its degrees of freedom leaves with FALSE_ALARM.

    Wilson and Hilferty: its cube root is normal, to a fraction of a percent from 30 degrees on.
    """
    z = -NormalDist().inv_cdf(FALSE_ALARM / 2)
    variance = 2 / (9 * degrees)
    low, high = (1 - variance + sign * z * math.sqrt(variance) for sign in (-1, 1))
    return max(0.0, low) ** 3, high**3


# --- wander -------------------------------------------------------------------------------


@given(seeds, st.lists(steps, max_size=10))
def test_a_walk_depends_on_seed_and_step_only(seed: int, asked: list[int]) -> None:
    before = {step: walk(seed, step) for step in asked}
    assert [walk(seed, step) for step in reversed(asked)] == [before[s] for s in reversed(asked)]
    assert walk(seed, 0) == 0
    assert walk(seed, HORIZON + 1) == walk(seed, HORIZON)


def test_the_walk_of_a_seed_is_this_one_for_ever() -> None:
    """A run of years ago can be had again: these numbers must never change."""
    expected = [-1.4413733106470343, -1.4588258909480811, 241.18689432849845]
    seen = [walk(1, step) for step in (1, 2, 10**6)]
    assert seen == pytest.approx(expected, rel=1e-9)


@given(st.integers(0, 2**20), seeds, seeds)
def test_other_seeds_walk_elsewhere(step: int, one: int, other: int) -> None:
    assert (walk(one, step + 1) == walk(other, step + 1)) == (one == other)


def test_numbers_are_normal() -> None:
    drawn = sorted(normal(5, index) for index in range(20_000))
    farthest = max(
        abs(NormalDist().cdf(value) - (rank + 0.5) / len(drawn)) for rank, value in enumerate(drawn)
    )
    # Kolmogorov and Smirnov; P(farthest > x) <= 2 exp(-2 n x^2) (Massart)
    assert farthest < math.sqrt(math.log(2 / FALSE_ALARM) / 2 / len(drawn))


@pytest.mark.parametrize("span", [1, 7, 2**20, 10**7])
def test_the_variance_of_a_walk_grows_with_its_length(span: int) -> None:
    """Increments over spans that do not overlap are independent, of variance `span`."""
    points = [walk(11, span * index) for index in range(1001)]
    ratio = fmean((b - a) ** 2 for a, b in pairwise(points)) / span
    low, high = chi_square_interval(1000)
    assert low < ratio < high


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_allan_deviation_is_that_of_random_walk_fm(seed: int) -> None:
    """sigma_y^2(tau) = s^2 tau / 3 (1 + 1 / (2 m^2)) at tau = m steps.

    Every second of the adjacent differences of means is taken: they share no increment of the
    walk, so they are independent, and their sum of squares over the variance is chi-square.
    """
    per_second_ppm = 0.5
    wander = Wander(per_second_ppm, seed, SINCE_NS)
    frequency_ppm = [wander.scaled(at(step)) / SCALED_PER_PPM for step in range(16_384)]
    for m in (1, 4, 16, 64, 128):
        means = [fmean(frequency_ppm[i : i + m]) for i in range(0, len(frequency_ppm), m)]
        pairs = list(zip(means[::2], means[1::2], strict=True))
        allan = fmean((b - a) ** 2 for a, b in pairs) / 2
        tau_s = m * STEP_NS / NS_PER_S
        expected = per_second_ppm**2 * tau_s / 3 * (1 + 1 / (2 * m * m))
        low, high = chi_square_interval(len(pairs))
        assert low < allan / expected < high, f"m={m}"


def test_after_a_second_the_deviation_is_what_was_asked() -> None:
    ends = [Wander(0.2, seed, SINCE_NS).scaled(at(10)) / SCALED_PER_PPM for seed in range(1000)]
    low, high = chi_square_interval(len(ends))
    assert low < fmean(end**2 for end in ends) / 0.2**2 < high


# --- temperature --------------------------------------------------------------------------


@given(temperatures, steps)
def test_a_sinusoid_stays_within_its_amplitude(model: Temperature, step: int) -> None:
    # Half a unit is the mean's rounding, another what an earlier step's left over.
    assert abs(model.scaled(at(step))) <= model.amplitude_ppm * SCALED_PER_PPM + 1 + 1e-3


@given(temperatures, st.integers(0, 10**5), st.integers(1, 300))
def test_what_a_sinusoid_gains_is_its_integral(model: Temperature, first: int, count: int) -> None:
    gained = sum(model.scaled(at(step)) for step in range(first, first + count))
    start, end = (
        math.tau * ((step * STEP_NS + model.phase_ns) % model.period_ns) / model.period_ns
        for step in (first, first + count)
    )
    radius = model.amplitude_ppm * model.period_ns / math.tau
    integral_ppm_ns = radius * (math.cos(start) - math.cos(end))
    rounding_ppm_ns = STEP_NS / SCALED_PER_PPM  # half a unit at both ends
    assert gained * STEP_NS / SCALED_PER_PPM == pytest.approx(
        integral_ppm_ns, abs=rounding_ppm_ns + radius * 1e-12
    )


def test_a_sinusoid_begins_on_its_way_up_and_turns() -> None:
    model = Temperature(2.0, 40 * NS_PER_S, 0, SINCE_NS)
    quarter = 10 * NS_PER_S
    first, peak, middle, trough = (model.scaled(SINCE_NS + i * quarter) for i in range(4))
    assert 0 < first < 0.02 * SCALED_PER_PPM
    assert peak == pytest.approx(2 * SCALED_PER_PPM, rel=1e-3)
    assert -0.02 * SCALED_PER_PPM < middle < 0
    assert trough == pytest.approx(-2 * SCALED_PER_PPM, rel=1e-3)


# --- strobe -------------------------------------------------------------------------------


@given(strobes, st.integers(-(10**9), 10**12))
def test_a_strobe_is_away_or_at_home(model: Strobe, into_ns: int) -> None:
    now_ns = SINCE_NS + into_ns
    displacement_ns = model.displacement_ns(now_ns)
    assert displacement_ns in (0, model.by_ns)
    if into_ns < 0 or model.is_over(now_ns):
        assert displacement_ns == 0


@given(strobes, st.integers(0, 10**11))
def test_nothing_moves_until_the_next_turn_and_then_it_does(model: Strobe, into_ns: int) -> None:
    now_ns = SINCE_NS + into_ns
    if model.is_over(now_ns):
        return
    turn_ns = model.next_turn_ns(now_ns)
    assert turn_ns > now_ns
    assert model.displacement_ns(turn_ns - 1) == model.displacement_ns(now_ns)
    if not model.is_over(turn_ns):
        there, back = model.displacement_ns(turn_ns), model.displacement_ns(now_ns)
        assert abs(there - back) == abs(model.by_ns)


def test_a_strobe_jumps_at_once_and_is_away_for_half_its_period() -> None:
    model = Strobe(7, 100_000_000, SINCE_NS, SINCE_NS + 125_000_000)
    ms = [0, 49, 50, 99, 100, 124, 125, 150]
    assert [model.displacement_ns(SINCE_NS + t * 1_000_000) for t in ms] == [7, 7, 0, 0, 7, 7, 0, 0]


# --- all together, on a real page ---------------------------------------------------------


@given(st.floats(-MAX_PPM, MAX_PPM), st.floats(0, MAX_PPM), seeds, temperatures, steps)
def test_the_sum_is_what_a_page_accepts(
    drift_ppm: float, wander_ppm: float, seed: int, temperature: Temperature, step: int
) -> None:
    wander = Wander(wander_ppm, seed, SINCE_NS)
    scaled = sum_scaled(drift_ppm, wander, temperature, at(step))
    assert abs(scaled) <= MAX_PPM * SCALED_PER_PPM
    parts = (
        round(drift_ppm * SCALED_PER_PPM),
        wander.scaled(at(step)),
        temperature.scaled(at(step)),
    )
    if abs(sum(parts)) < MAX_PPM * SCALED_PER_PPM:
        assert scaled == sum(parts)


@pytest.mark.usefixtures("model")
@settings(max_examples=20, deadline=None)
@given(
    drift_ppm=st.floats(-500, 500),
    wander_ppm=st.floats(0, 10),
    seed=seeds,
    temperature=temperatures,
    count=st.integers(1, 400),
)
def test_a_page_gains_the_integral_of_the_frequency(
    tmp_path_factory: pytest.TempPathFactory,
    drift_ppm: float,
    wander_ppm: float,
    seed: int,
    temperature: Temperature,
    count: int,
) -> None:
    """The wall clock's phase on a page of the C library, within the nanosecond it is read in."""
    path: Path = tmp_path_factory.mktemp("page") / "page"
    wander = Wander(wander_ppm, seed, SINCE_NS)
    raw = 10**15
    ClockPage.create(path, raw, SINCE_NS)
    gained_ns = Fraction(0)
    with ClockPage(path, writable=True) as page:
        for step in range(count):
            assert page.read(raw) - SINCE_NS - step * STEP_NS == math.floor(gained_ns)
            scaled = sum_scaled(drift_ppm, wander, temperature, at(step))
            since: int = _library().vclock_set_oscillator(page._handle, raw, scaled)
            assert since == raw
            gained_ns += Fraction(scaled * STEP_NS, SCALED_PER_PPM * 10**6)
            raw += STEP_NS
