"""The arithmetic of a virtual clock against exact rational numbers.

Every raw instant is chosen here, so nothing depends on when the test runs.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import pytest
from clockpage import (
    ADJ_FREQUENCY,
    ADJ_NANO,
    ADJ_OFFSET,
    ADJ_OFFSET_SINGLESHOT,
    ADJ_STATUS,
    ADJ_TICK,
    FREQ_SCALE,
    NS_PER_S,
    STA_PLL,
    ClockPage,
    opened,
)
from hypothesis import given
from hypothesis import strategies as st

from conftest import SOURCES

RAW_NS = 1_000 * NS_PER_S
WALL_NS = 1_700_000_000 * NS_PER_S + 123_456_789
YEAR_NS = 366 * 86_400 * NS_PER_S
RATE_ONE = 1_000_000 * FREQ_SCALE

spans = st.integers(0, YEAR_NS)
short_spans = st.integers(0, 100 * NS_PER_S)
ticks = st.integers(9_000, 11_000)
freqs = st.integers(-500 * FREQ_SCALE, 500 * FREQ_SCALE)
drifts = st.integers(-100_000 * FREQ_SCALE, 100_000 * FREQ_SCALE)
slews_us = st.integers(-50_000, 50_000)

NewPage = Callable[..., ClockPage]


def exact_rate(tick: int, freq: int, drift: int) -> Fraction:
    return (Fraction(tick, 10_000) + Fraction(freq, RATE_ONE)) * (1 + Fraction(drift, RATE_ONE))


def set_rate(page: ClockPage, raw_ns: int, tick: int, freq: int, drift: int) -> None:
    page.adjtimex(raw_ns, ADJ_TICK | ADJ_FREQUENCY, tick=tick, freq=freq)
    page.set_drift(raw_ns, drift / FREQ_SCALE)


@given(ticks, freqs, drifts, spans)
def test_a_reading_is_exact_over_a_year(
    new_page: NewPage, tick: int, freq: int, drift: int, span_ns: int
) -> None:
    page = new_page(RAW_NS, WALL_NS)
    set_rate(page, RAW_NS, tick, freq, drift)
    exact_ns = WALL_NS + span_ns * exact_rate(tick, freq, drift)
    # The rate is rounded up to 2^-64, the reading down to a nanosecond.
    assert -Fraction(span_ns, 2**64) <= exact_ns - page.read(RAW_NS + span_ns) < 1


@given(spans)
def test_a_true_clock_is_true_to_the_nanosecond(new_page: NewPage, span_ns: int) -> None:
    assert new_page(RAW_NS, WALL_NS).read(RAW_NS + span_ns) == WALL_NS + span_ns


changes = st.one_of(
    st.tuples(st.just("drift"), drifts),
    st.tuples(st.just("freq"), freqs),
    st.tuples(st.just("tick"), ticks),
    st.tuples(st.just("slew"), slews_us),
    st.tuples(st.just("offset"), st.integers(-500_000_000, 500_000_000)),
    st.tuples(st.just("freeze"), st.integers(0, 1)),
)


def apply(page: ClockPage, raw_ns: int, change: tuple[str, int]) -> None:
    kind, value = change
    if kind == "drift":
        page.set_drift(raw_ns, value / FREQ_SCALE)
    elif kind == "freq":
        page.adjtimex(raw_ns, ADJ_FREQUENCY, freq=value)
    elif kind == "tick":
        page.adjtimex(raw_ns, ADJ_TICK, tick=value)
    elif kind == "slew":
        page.adjtimex(raw_ns, ADJ_OFFSET_SINGLESHOT, offset=value)
    elif kind == "offset":
        modes = ADJ_OFFSET | ADJ_STATUS | ADJ_NANO
        page.adjtimex(raw_ns, modes, offset=value, status=STA_PLL)
    else:
        page.freeze(raw_ns, bool(value))


@given(st.lists(st.tuples(short_spans, changes), max_size=8), st.lists(short_spans, min_size=1))
def test_folding_changes_no_reading(
    new_page: NewPage, steps: list[tuple[int, tuple[str, int]]], pauses_ns: list[int]
) -> None:
    plain, folded = new_page(RAW_NS, WALL_NS), new_page(RAW_NS, WALL_NS)
    raw_ns = RAW_NS
    for span_ns, change in steps:
        folded.step(raw_ns + span_ns // 3, 0)
        folded.step(raw_ns + span_ns // 2, 0)
        raw_ns += span_ns
        apply(plain, raw_ns, change)
        apply(folded, raw_ns, change)
    for pause_ns in pauses_ns:
        raw_ns += pause_ns
        folded.step(raw_ns, 0)
        for later_ns in (0, 1, 999, NS_PER_S, YEAR_NS):
            assert folded.read(raw_ns + later_ns) == plain.read(raw_ns + later_ns)


@given(st.lists(st.tuples(short_spans, changes), max_size=12), st.lists(short_spans))
def test_the_clock_is_continuous_and_never_runs_backwards(
    new_page: NewPage, steps: list[tuple[int, tuple[str, int]]], offsets_ns: list[int]
) -> None:
    page = new_page(RAW_NS, WALL_NS)
    raw_ns, wall_ns = RAW_NS, WALL_NS
    for span_ns, change in steps:
        for offset_ns in sorted(o for o in offsets_ns if o < span_ns):
            assert page.read(raw_ns + offset_ns) >= wall_ns
            wall_ns = page.read(raw_ns + offset_ns)
        raw_ns += span_ns
        before_ns = page.read(raw_ns)
        assert before_ns >= wall_ns
        apply(page, raw_ns, change)
        wall_ns = page.read(raw_ns)
        assert wall_ns == before_ns


# What clock_gettime() does with the two parts of a raw instant, against the plain sum.
TELL = """
#include "page.h"

int64_t tell(const struct vclock *c, int64_t raw, int64_t offset);
int64_t reach(const struct vclock *c, int64_t raw, int64_t wall);

int64_t
tell(const struct vclock *c, int64_t raw, int64_t offset)
{
  struct timespec ts, offset_parts;

  model_split(raw + offset, &ts);
  model_split(offset, &offset_parts);
  page_tell(c->page, &offset_parts, &ts);
  return ts.tv_nsec < 0 || ts.tv_nsec >= NS_PER_S ? -1 : ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

int64_t
reach(const struct vclock *c, int64_t raw, int64_t wall)
{
  union slot slot;

  page_find(c->page, raw, &slot);
  model_fold(&slot.set, raw);
  return model_reach(&slot.set, wall);
}
"""


Function = Callable[[object, int, int], int]


@pytest.fixture(scope="module")
def arithmetic(compile_c: Callable[..., Path]) -> Callable[[str], Function]:
    others = ("interpose", "wait", "timex", "vclock")
    sources = [str(f) for f in sorted(SOURCES.glob("*.c")) if not f.name.startswith(others)]
    library = ctypes.CDLL(str(compile_c("tell.so", TELL, "-shared", "-fPIC", *sources)))

    def find(name: str) -> Function:
        function = getattr(library, name)
        function.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64]
        function.restype = ctypes.c_int64
        return lambda page, raw_ns, other_ns: int(function(page, raw_ns, other_ns))

    return find


@pytest.fixture(scope="module")
def tell(arithmetic: Callable[[str], Function]) -> Function:
    return arithmetic("tell")


@pytest.fixture(scope="module")
def reach(arithmetic: Callable[[str], Function]) -> Function:
    return arithmetic("reach")


@given(
    st.lists(st.tuples(short_spans, changes), max_size=6),
    st.one_of(st.integers(0, 10 * NS_PER_S), st.integers(0, YEAR_NS)),
)
def test_a_reading_is_reached_when_it_is_first_shown(
    new_page: NewPage, reach: Function, steps: list[tuple[int, tuple[str, int]]], ahead_ns: int
) -> None:
    page = new_page(RAW_NS, WALL_NS)
    raw_ns = RAW_NS
    for span_ns, change in steps:
        raw_ns += span_ns
        apply(page, raw_ns, change)
    wall_ns = page.read(raw_ns) + ahead_ns
    at_ns = reach(page.handle, raw_ns, wall_ns)
    if ahead_ns and page.status(raw_ns).frozen:
        assert at_ns == 2**63 - 1
        return
    assert page.read(at_ns) >= wall_ns
    assert at_ns == raw_ns or page.read(at_ns - 1) < wall_ns


@given(
    st.lists(st.tuples(short_spans, changes), max_size=6),
    st.lists(st.tuples(spans, st.integers(-RAW_NS, YEAR_NS)), min_size=1),
    st.integers(0, 2 * WALL_NS),
)
def test_the_fast_reading_is_the_exact_one(
    new_page: NewPage,
    tell: Function,
    steps: list[tuple[int, tuple[str, int]]],
    readings: list[tuple[int, int]],
    wall_ns: int,
) -> None:
    page = new_page(RAW_NS, wall_ns)
    raw_ns = RAW_NS
    for span_ns, change in steps:
        raw_ns += span_ns
        apply(page, raw_ns, change)
    for after_ns, offset_ns in readings:
        for at_ns in (raw_ns + after_ns, raw_ns + after_ns % NS_PER_S, RAW_NS + after_ns % 100):
            assert tell(page.handle, at_ns, offset_ns) == page.read(at_ns)


@given(
    st.lists(st.tuples(short_spans, changes), max_size=6),
    st.lists(st.integers(-NS_PER_S, 5 * NS_PER_S), min_size=1, max_size=8),
)
def test_a_reading_does_not_depend_on_earlier_ones(
    new_page: NewPage, tell: Function, steps: list[tuple[int, tuple[str, int]]], after: list[int]
) -> None:
    page = new_page(RAW_NS, WALL_NS)
    raw_ns = RAW_NS + NS_PER_S
    for span_ns, change in steps:
        raw_ns += span_ns
        apply(page, raw_ns, change)
        assert page.read(raw_ns + NS_PER_S) == tell(page.handle, raw_ns + NS_PER_S, 0)
    # The second reading of a second finds what the first has left behind.
    seen = [
        (at_ns, read_ns)
        for after_ns in after
        for at_ns in (raw_ns + after_ns, raw_ns + after_ns + 1)
        for read_ns in (page.read(at_ns), tell(page.handle, at_ns, 0))
    ]
    for at_ns, read_ns in seen:
        # What was found on another mapping counts for nothing.
        with opened(ClockPage(page.library, page.path)) as fresh:
            assert fresh.read(at_ns) == read_ns


def test_a_frozen_clock_stands_still_and_goes_on_from_there(new_page: NewPage) -> None:
    page = new_page(RAW_NS, WALL_NS)
    page.freeze(RAW_NS + 5, True)
    assert page.read(RAW_NS + YEAR_NS) == WALL_NS + 5
    page.freeze(RAW_NS + NS_PER_S, False)
    assert page.read(RAW_NS + NS_PER_S + 7) == WALL_NS + 12


def test_a_frozen_clock_can_be_set(new_page: NewPage) -> None:
    page = new_page(RAW_NS, WALL_NS)
    page.freeze(RAW_NS, True)
    page.settime(RAW_NS + 1, 1_800_000_000)
    assert page.read(RAW_NS + YEAR_NS) == 1_800_000_000 * NS_PER_S


@pytest.mark.parametrize("ppm", [-100_001, 100_001])
def test_an_absurd_oscillator_is_refused(new_page: NewPage, ppm: int) -> None:
    page = new_page(RAW_NS, WALL_NS)
    with pytest.raises(OSError, match="Invalid argument"):
        page.set_drift(RAW_NS, ppm)
    assert page.status(RAW_NS).seq == 0


def test_an_instant_of_the_past_is_read_as_it_was(new_page: NewPage) -> None:
    page = new_page(RAW_NS, WALL_NS)
    for n in range(1, 21):
        page.step(RAW_NS + n * NS_PER_S, NS_PER_S)
    for n in range(21):
        middle_ns = n * NS_PER_S + NS_PER_S // 2
        assert page.read(RAW_NS + middle_ns) == WALL_NS + middle_ns + n * NS_PER_S
    assert page.read(RAW_NS - 10) == WALL_NS - 10


def test_an_instant_beyond_what_is_kept_is_read_with_the_oldest_set(new_page: NewPage) -> None:
    page = new_page(RAW_NS, WALL_NS)
    for n in range(1, 1_000):
        page.step(RAW_NS + n, NS_PER_S)
    oldest = 1_000 - 32
    assert page.read(RAW_NS) == WALL_NS + oldest * NS_PER_S


def test_changes_take_effect_in_order(new_page: NewPage) -> None:
    page = new_page(RAW_NS, WALL_NS)
    assert page.step(RAW_NS + 100, 7) == RAW_NS + 100
    assert page.step(RAW_NS + 50, 7) == RAW_NS + 100
    assert page.read(RAW_NS + 99) == WALL_NS + 99
    assert page.read(RAW_NS + 100) == WALL_NS + 114


@pytest.mark.parametrize("late_ns", [0, 1, NS_PER_S])
def test_a_wall_set_late_is_that_of_the_instant_asked_for(new_page: NewPage, late_ns: int) -> None:
    page = new_page(RAW_NS, WALL_NS)
    page.adjtimex(RAW_NS + late_ns, ADJ_TICK, tick=9_900)
    assert page.set_wall(RAW_NS, 2 * WALL_NS) == RAW_NS + late_ns
    later_ns = 100 * NS_PER_S
    assert page.read(RAW_NS + later_ns) == 2 * WALL_NS + later_ns * 99 // 100
    assert page.reset(RAW_NS, 3 * WALL_NS) == RAW_NS + late_ns
    assert page.read(RAW_NS + later_ns) == 3 * WALL_NS + later_ns


def test_a_change_of_now_takes_effect_now(new_page: NewPage) -> None:
    page = new_page(-1, WALL_NS)
    before_ns = page.raw_now()
    since_ns = page.step(-1, 3)
    assert before_ns <= since_ns <= page.raw_now()
    assert page.status().last_set_raw == since_ns
    assert page.read(since_ns) - page.read(since_ns - 1) == 4


def test_reset_makes_a_true_clock_as_after_boot(new_page: NewPage) -> None:
    page, fresh = new_page(RAW_NS, WALL_NS), new_page(RAW_NS, WALL_NS)
    set_rate(page, RAW_NS, 10_100, 77, 5_000)
    page.adjtimex(RAW_NS, ADJ_OFFSET_SINGLESHOT, offset=10_000)
    page.freeze(RAW_NS, True)
    page.reset(RAW_NS, WALL_NS)
    status, expected = page.status(RAW_NS + YEAR_NS), fresh.status(RAW_NS + YEAR_NS)
    assert status.seq == 5
    status.seq = 0
    assert bytes(status) == bytes(expected)
