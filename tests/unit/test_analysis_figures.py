"""Figures against oracles that do the same in the plainest way."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import combinations
from math import comb
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntplab.analysis import judge
from ntplab.analysis.bookings import double_bookings, is_contested
from ntplab.analysis.claims import Claim
from ntplab.analysis.clocks import GAP_NS_MAX, ClockSeries, gaps, quantile, to_arrow
from ntplab.analysis.explain import World, model_of
from ntplab.analysis.explain.base import clock_text, error_text, span_text
from ntplab.analysis.intervals import wilson
from ntplab.analysis.inversions import inversions
from ntplab.analysis.sync import seconds_within
from simulated_lab import MS, START_NS, Request, S, SimPhase, Simulation, Theta

# --- intervals ----------------------------------------------------------------------------


@given(trials=st.integers(1, 10_000), share=st.floats(0, 1))
def test_wilson_holds_the_proportion_and_stays_within_0_and_1(trials: int, share: float) -> None:
    successes = round(share * trials)
    low, high = wilson(successes, trials)
    assert 0 <= low <= successes / trials <= high <= 1
    assert wilson(trials - successes, trials) == pytest.approx((1 - high, 1 - low))


@pytest.mark.parametrize(
    ("successes", "trials", "interval"),
    # R. G. Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3
    [
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_agrees_with_published_examples(
    successes: int, trials: int, interval: tuple[float, float]
) -> None:
    assert wilson(successes, trials) == pytest.approx(interval, abs=5e-5)


def test_wilson_covers_about_95_percent_on_average() -> None:
    """Exact coverage at n = 40, averaged over proportions: an interval too narrow fails."""
    n, shares = 40, [i / 100 for i in range(1, 100)]
    bounds = [wilson(k, n) for k in range(n + 1)]
    coverage = [
        sum(comb(n, k) * p**k * (1 - p) ** (n - k) for k in range(n + 1) if low_high(bounds[k], p))
        for p in shares
    ]
    assert 0.945 < sum(coverage) / len(coverage) < 0.965


def low_high(bounds: tuple[float, float], share: float) -> bool:
    return bounds[0] <= share <= bounds[1]


def test_wilson_of_nothing_and_of_nonsense() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    for successes, trials in [(-1, 3), (4, 3)]:
        with pytest.raises(ValueError, match="no proportion"):
            wilson(successes, trials)


# --- order inversions ---------------------------------------------------------------------


@given(
    claims=st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=30),
    gap=st.integers(0, 20),
)
def test_inversions_are_those_that_comparing_every_pair_finds(
    claims: list[tuple[int, int]], gap: int
) -> None:
    claims.sort(key=lambda claim: claim[0])
    pairs = combinations(claims, 2)
    expected = sum(b[0] - a[0] > gap and a[1] > b[1] for a, b in pairs)
    assert inversions([t for t, _ in claims], [s for _, s in claims], gap) == expected


# --- double bookings ----------------------------------------------------------------------

CLAIMS = st.lists(
    st.tuples(
        st.sampled_from(["A", "B", "C"]),
        st.sampled_from(["x", "y", "z"]),
        st.sampled_from(["paris", "lyon"]),
        st.booleans(),
    ),
    max_size=12,
)


@given(rows=CLAIMS)
def test_double_bookings_are_seats_with_receipts_of_two_buyers(
    rows: list[tuple[str, str, str, bool]],
) -> None:
    by_seat: dict[str, list[Claim]] = {}
    for number, (seat, buyer, server, holds) in enumerate(rows):
        claim = Claim(f"a{number}", seat, buyer, server, holds, "r", f"c{number}", number)
        by_seat.setdefault(seat, []).append(claim)
    world = World({}, frozenset(), 0, records_whole=True)
    found = double_bookings(by_seat, model_of("unique"), world)
    expected = {
        seat
        for seat, _, _, _ in rows
        if len({b for s, b, _, holds in rows if holds and s == seat}) > 1
    }
    assert {double.seat for double in found} == expected
    assert len(found) == len(expected)
    assert all(double.status == "unexplained" for double in found)
    for seat, claims in by_seat.items():
        of_seat = [(b, v) for s, b, v, _ in rows if s == seat]
        assert is_contested(claims) == all(
            len(set(names)) > 1 for names in zip(*of_seat, strict=True)
        )


SERVER = st.sampled_from(["paris", "lyon"])
REQUESTS = st.lists(
    st.tuples(st.integers(0, 3000), st.sampled_from(["A", "B"]), SERVER, st.integers(50, 1900)),
    max_size=10,
)
# Whole milliseconds keep claims off the edges, where one nanosecond decides.
CLOCK = st.tuples(st.integers(-6000, 6000), st.integers(-6000, 6000), st.integers(0, 4))


def stepping(before_ms: int, after_ms: int, at_s: int) -> Theta:
    step_ns = START_NS + at_s * S + 500 * MS
    return lambda lab_ns: (before_ms if lab_ns < step_ns else after_ms) * MS


@pytest.mark.parametrize("policy", ["timestamp-order", "lease", "unique"])
@settings(max_examples=30)
@given(requests=REQUESTS, paris=CLOCK, lyon=CLOCK, lag_ms=st.integers(1, 700))
def test_whatever_clocks_and_network_do_the_policys_double_bookings_are_explained(
    tmp_path_factory: pytest.TempPathFactory,
    policy: str,
    requests: list[tuple[int, str, str, int]],
    paris: tuple[int, int, int],
    lyon: tuple[int, int, int],
    lag_ms: int,
) -> None:
    """The simulated lab follows the policy's rule; the analysis, its inequality. Each double
    booking of the one must be explained by the other, and the counts must agree."""
    wishes = [
        Request(at_ms * MS + number, seat, f"b-{number}", server, confirm_ms * MS)
        for number, (at_ms, seat, server, confirm_ms) in enumerate(requests)
    ]
    phase = SimPhase(
        "off",
        "off",
        wishes,
        {"paris": stepping(*paris), "lyon": stepping(*lyon)},
        duration_ns=6 * S,
        lag_ns=lag_ms * MS,
    )
    run = Simulation(tmp_path_factory.mktemp("run"), policy).play(phase)
    bookings = judge(run).phases[0].bookings
    assert [double.reason for double in bookings.double_booking_details if double.reason] == []
    assert (bookings.unexplained, bookings.undetermined) == (0, 0)
    assert bookings.attempts == len(wishes)
    if policy == "unique":
        assert bookings.double_bookings == 0


# --- clocks -------------------------------------------------------------------------------


NANOSECONDS = st.integers(-(10**12), 10**12)


def series(samples: Sequence[tuple[int, int]]) -> ClockSeries:
    return ClockSeries(array("q", [t for t, _ in samples]), array("q", [d for _, d in samples]))


@given(
    steps=st.lists(
        st.tuples(st.integers(1, GAP_NS_MAX), st.integers(-(10**12), 10**12)), min_size=2
    ),
    where=st.floats(0, 1),
)
def test_interpolation_is_between_the_samples_and_says_its_error(
    steps: list[tuple[int, int]], where: float
) -> None:
    times = [sum(wait for wait, _ in steps[: i + 1]) for i in range(len(steps))]
    samples = [(t, d) for t, (_, d) in zip(times, steps, strict=True)]
    at_ns = times[0] + int(where * (times[-1] - times[0]))
    theta = series(samples).at(at_ns, 7)
    assert theta is not None
    right = next(i for i, t in enumerate(times) if t >= at_ns) or 1
    d0, d1 = steps[right - 1][1], steps[right][1]
    assert min(d0, d1) <= theta.divergence_ns <= max(d0, d1)
    assert theta.error_ns in (7, 7 + abs(d1 - d0))


def test_a_clock_is_not_known_in_a_gap_or_far_outside() -> None:
    clock = series([(0, 1), (10, 2), (10 + 2 * GAP_NS_MAX, 3)])
    assert clock.at(5, 0) is not None
    assert clock.at(GAP_NS_MAX, 0) is None
    assert clock.at(10 + 4 * GAP_NS_MAX, 0) is None
    assert ClockSeries().at(0, 0) is None
    assert (clock.last_before(9), clock.last_before(-1)) == (1, None)
    assert clock.last_before(11 + GAP_NS_MAX) is None


@given(values=st.lists(st.integers(-(10**12), 10**12), min_size=1), share=st.floats(0, 1))
def test_quantile_is_a_value_that_the_share_does_not_exceed(
    values: list[int], share: float
) -> None:
    found = quantile(to_arrow(array("q", values)), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


@given(waits=st.lists(st.integers(0, 100), min_size=1, max_size=20), longest=st.integers(0, 100))
def test_gaps_count_the_waits_at_both_ends_too(waits: list[int], longest: int) -> None:
    instants = [sum(waits[:i]) for i in range(len(waits) + 1)]
    count, worst = gaps(array("q", instants[1:-1]), instants[0], instants[-1], longest)
    assert (count, worst) == (sum(wait > longest for wait in waits), max(waits))


@given(sizes=st.lists(st.integers(-20, 20), max_size=20), limit=st.integers(1, 15))
def test_seconds_within_is_when_it_stays_below(sizes: list[int], limit: int) -> None:
    clock = series([(S * i, size) for i, size in enumerate(sizes)])
    stays = [i for i in range(len(sizes)) if all(abs(size) < limit for size in sizes[i:])]
    assert seconds_within(clock, 0, 100 * S, limit) == (float(stays[0]) if stays else None)


def test_seconds_within_looks_at_the_phase_only() -> None:
    clock = series([(0, 50), (1 * S, 50), (2 * S, 0), (3 * S, 0), (4 * S, 50)])
    assert seconds_within(clock, S // 2, 3 * S, 10) == 1.5
    assert seconds_within(clock, S // 2, 4 * S, 10) is None


# --- words --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (5 * S, "5.000 s"),
        (241 * MS, "0.241 s"),
        (-897 * MS, "-0.897 s"),
        (12_345_678, "12.346 ms"),
        (40_000, "40.0 us"),
        (0, "0.0 us"),
    ],
)
def test_span_text(ns: int, text: str) -> None:
    assert span_text(ns) == text


def test_clock_and_error_text() -> None:
    assert clock_text(START_NS + 1_204_999_999) == "12:00:01.204"
    assert clock_text(START_NS - 1) == "11:59:59.999"
    assert [error_text(ns) for ns in (0, 5 * S, -5 * S)] == [
        "right",
        "5.000 s fast",
        "5.000 s slow",
    ]


def test_the_simulated_lab_is_where_the_tests_think(tmp_path: Path) -> None:
    """The oracle is only worth something if it does double-book."""
    requests = [Request(0, "A", "b-0", "paris"), Request(900 * MS, "A", "b-1", "lyon")]
    clocks = {"paris": stepping(0, 0, 0), "lyon": stepping(-5000, -5000, 0)}
    run = Simulation(tmp_path).play(SimPhase("off", "off", requests, clocks))
    assert judge(run).phases[0].bookings.double_bookings == 1
