"""adjtimex and clock_settime as the kernel does them: what they accept, answer and forget."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from clockpage import (
    ADJ_ESTERROR,
    ADJ_FREQUENCY,
    ADJ_MAXERROR,
    ADJ_MICRO,
    ADJ_NANO,
    ADJ_OFFSET,
    ADJ_OFFSET_SINGLESHOT,
    ADJ_OFFSET_SS_READ,
    ADJ_SETOFFSET,
    ADJ_STATUS,
    ADJ_TAI,
    ADJ_TICK,
    ADJ_TIMECONST,
    FREQ_SCALE,
    MAX_ERROR_US,
    NS_PER_S,
    STA_CLOCKERR,
    STA_NANO,
    STA_PLL,
    STA_RONLY,
    STA_UNSYNC,
    TIME_ERROR,
    TIME_OK,
    ClockPage,
)
from hypothesis import given
from hypothesis import strategies as st

from conftest import NOBODY, Preloaded

RAW_NS = 1_000 * NS_PER_S
WALL_NS = 1_700_000_000 * NS_PER_S
MAX_FREQ = 500 * FREQ_SCALE

NewPage = Callable[..., ClockPage]


@pytest.fixture
def page(new_page: NewPage) -> ClockPage:
    return new_page(RAW_NS, WALL_NS)


def test_a_new_clock_is_that_of_a_freshly_booted_kernel(page: ClockPage) -> None:
    state, timex = page.adjtimex(RAW_NS)
    assert state == TIME_ERROR
    assert timex.status == STA_UNSYNC
    assert (timex.maxerror, timex.esterror) == (MAX_ERROR_US, MAX_ERROR_US)
    assert (timex.tick, timex.freq, timex.offset, timex.constant) == (10_000, 0, 0, 2)
    assert (timex.precision, timex.tolerance, timex.tai) == (1, MAX_FREQ, 0)


def test_what_chronyd_asks_at_its_start(page: ClockPage) -> None:
    page.adjtimex(RAW_NS, ADJ_OFFSET_SINGLESHOT, offset=0)
    page.adjtimex(RAW_NS, ADJ_OFFSET | ADJ_STATUS, status=STA_PLL | STA_UNSYNC, offset=0)
    page.adjtimex(RAW_NS, ADJ_STATUS, status=STA_UNSYNC)
    _, timex = page.adjtimex(RAW_NS, ADJ_TICK | ADJ_FREQUENCY, tick=10_001, freq=-12_345)
    assert (timex.tick, timex.freq) == (10_001, -12_345)
    # Its probe: does a step of zero bring back a maxerror that was set to zero?
    assert page.adjtimex(RAW_NS, ADJ_MAXERROR, maxerror=0)[1].maxerror == 0
    _, timex = page.adjtimex(RAW_NS, ADJ_SETOFFSET | ADJ_NANO)
    assert timex.maxerror == MAX_ERROR_US
    assert page.read(RAW_NS) == WALL_NS


@pytest.mark.parametrize(
    ("modes", "s", "fraction", "by_ns"),
    [
        (ADJ_NANO, 4, 999_999_999, 4_999_999_999),
        (ADJ_NANO, -5, 1, -4_999_999_999),
        (0, 1, 999_999, 1_999_999_000),
        (ADJ_MICRO, -1, 0, -1_000_000_000),
    ],
)
def test_setoffset_steps(page: ClockPage, modes: int, s: int, fraction: int, by_ns: int) -> None:
    _, timex = page.adjtimex(RAW_NS, ADJ_SETOFFSET | modes, time_s=s, time_fraction=fraction)
    assert page.read(RAW_NS) == WALL_NS + by_ns
    unit_ns = 1 if modes & ADJ_NANO else 1_000
    assert timex.time_s * NS_PER_S + timex.time_fraction * unit_ns == WALL_NS + by_ns


@pytest.mark.parametrize(
    ("modes", "fields"),
    [
        (ADJ_SETOFFSET, {"time_fraction": -1}),
        (ADJ_SETOFFSET, {"time_fraction": 1_000_000}),
        (ADJ_SETOFFSET | ADJ_NANO, {"time_fraction": 1_000_000_000}),
        (ADJ_SETOFFSET, {"time_s": -1_700_000_001}),
        (ADJ_SETOFFSET, {"time_s": 2**62}),
        (ADJ_SETOFFSET, {"time_s": -(2**63)}),
        (ADJ_TICK, {"tick": 8_999}),
        (ADJ_TICK, {"tick": 11_001}),
        (ADJ_FREQUENCY, {"freq": 2**62}),
        (ADJ_FREQUENCY, {"freq": -(2**63)}),
        (0x8000, {}),
        (0x8000 | ADJ_FREQUENCY, {}),
    ],
)
def test_what_is_invalid_changes_nothing(
    page: ClockPage, modes: int, fields: dict[str, int]
) -> None:
    assert page.adjtimex_error(RAW_NS, modes, **fields) == "EINVAL"
    assert page.status(RAW_NS).seq == 0


@pytest.mark.parametrize(
    ("asked", "got"), [(MAX_FREQ + 1, MAX_FREQ), (-(2**36), -MAX_FREQ), (MAX_FREQ, MAX_FREQ)]
)
def test_frequency_is_clamped(page: ClockPage, asked: int, got: int) -> None:
    assert page.adjtimex(RAW_NS, ADJ_FREQUENCY, freq=asked)[1].freq == got
    gained_ns = page.read(RAW_NS + NS_PER_S) - WALL_NS - NS_PER_S
    assert gained_ns == 500_000 * (1 if got > 0 else -1)


@pytest.mark.parametrize("tick", [9_000, 11_000])
def test_a_tick_at_its_limit_is_accepted(page: ClockPage, tick: int) -> None:
    page.adjtimex(RAW_NS, ADJ_TICK, tick=tick)
    assert page.read(RAW_NS + NS_PER_S) - WALL_NS == tick * 100_000


@pytest.mark.parametrize("field", ["maxerror", "esterror"])
@pytest.mark.parametrize(("asked", "got"), [(-1, 0), (123, 123), (2**40, MAX_ERROR_US)])
def test_errors_are_clamped(page: ClockPage, field: str, asked: int, got: int) -> None:
    mode = ADJ_MAXERROR if field == "maxerror" else ADJ_ESTERROR
    _, timex = page.adjtimex(RAW_NS, mode, **{field: asked})
    assert getattr(timex, field) == got


@pytest.mark.parametrize(
    ("status", "constant", "got"),
    [(0, 3, 7), (0, 9, 10), (STA_NANO, 3, 3), (STA_NANO, 99, 10), (STA_NANO, -5, 0)],
)
def test_time_constant(page: ClockPage, status: int, constant: int, got: int) -> None:
    nano = ADJ_NANO if status else 0
    _, timex = page.adjtimex(RAW_NS, ADJ_TIMECONST | nano, constant=constant)
    assert timex.constant == got


@pytest.mark.parametrize(("asked", "got"), [(37, 37), (-1, 0), (100_001, 0), (100_000, 100_000)])
def test_tai(page: ClockPage, asked: int, got: int) -> None:
    assert page.adjtimex(RAW_NS, ADJ_TAI, constant=asked)[1].tai == got


def test_read_only_status_bits_are_kept(page: ClockPage) -> None:
    page.adjtimex(RAW_NS, ADJ_NANO)
    _, timex = page.adjtimex(RAW_NS, ADJ_STATUS, status=0xFFFF & ~STA_NANO)
    assert timex.status == (0xFFFF & ~STA_RONLY) | STA_NANO
    assert page.adjtimex(RAW_NS, ADJ_MICRO)[1].status & STA_NANO == 0


def test_switching_the_loop_off_starts_status_over(page: ClockPage) -> None:
    page.adjtimex(RAW_NS, ADJ_STATUS | ADJ_NANO, status=STA_PLL)
    _, timex = page.adjtimex(RAW_NS, ADJ_STATUS, status=0)
    assert timex.status == 0


def test_an_offset_without_the_loop_is_ignored(page: ClockPage) -> None:
    page.adjtimex(RAW_NS, ADJ_OFFSET, offset=500_000)
    assert page.read(RAW_NS + NS_PER_S) == WALL_NS + NS_PER_S


def test_time_ok_when_synchronised(page: ClockPage) -> None:
    modes = ADJ_STATUS | ADJ_MAXERROR
    assert page.adjtimex(RAW_NS, modes, status=0, maxerror=10)[0] == TIME_OK
    assert page.adjtimex(RAW_NS, ADJ_STATUS, status=STA_CLOCKERR)[0] == TIME_OK  # read-only
    assert page.adjtimex(RAW_NS, ADJ_STATUS, status=STA_UNSYNC)[0] == TIME_ERROR


def test_time_is_told_in_the_unit_of_the_status(page: ClockPage) -> None:
    later_ns = RAW_NS + 123_456_789
    _, timex = page.adjtimex(later_ns)
    assert (timex.time_s, timex.time_fraction) == (1_700_000_000, 123_456)
    _, timex = page.adjtimex(later_ns, ADJ_NANO)
    assert (timex.time_s, timex.time_fraction) == (1_700_000_000, 123_456_789)


@given(st.integers(0, MAX_ERROR_US), st.integers(0, 40_000))
def test_maxerror_grows_with_every_second_until_unsynchronised(
    new_page: NewPage, maxerror_us: int, seconds: int
) -> None:
    page = new_page(RAW_NS, WALL_NS)
    page.adjtimex(RAW_NS, ADJ_STATUS | ADJ_MAXERROR, status=0, maxerror=maxerror_us)
    grown_us = maxerror_us + 500 * seconds
    for _ in range(2):  # the second time read from a page on which it was written down
        state, timex = page.adjtimex(RAW_NS + seconds * NS_PER_S)
        assert timex.maxerror == min(grown_us, MAX_ERROR_US)
        assert state == (TIME_ERROR if grown_us > MAX_ERROR_US else TIME_OK)
        assert bool(timex.status & STA_UNSYNC) == (grown_us > MAX_ERROR_US)
        page.step(RAW_NS + seconds * NS_PER_S, 0)


def test_maxerror_grows_when_the_clocks_second_changes(page: ClockPage) -> None:
    page.adjtimex(RAW_NS, ADJ_MAXERROR, maxerror=0)
    assert page.adjtimex(RAW_NS + NS_PER_S - 1)[1].maxerror == 0
    assert page.adjtimex(RAW_NS + NS_PER_S)[1].maxerror == 500


def synchronise(page: ClockPage) -> None:
    page.adjtimex(RAW_NS, ADJ_TICK | ADJ_FREQUENCY | ADJ_TAI, tick=10_010, freq=1_000, constant=37)
    page.adjtimex(RAW_NS, ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, maxerror=10, esterror=5)
    page.adjtimex(RAW_NS, ADJ_OFFSET_SINGLESHOT, offset=1_000)


def settime(page: ClockPage) -> None:
    page.settime(RAW_NS, 1_800_000_000, 5)


def setoffset(page: ClockPage) -> None:
    page.adjtimex(RAW_NS, ADJ_SETOFFSET, time_s=100_000_000, time_fraction=0)


@pytest.mark.parametrize("step", [settime, setoffset])
def test_a_program_that_steps_clears_the_state_of_synchronisation(
    page: ClockPage, step: Callable[[ClockPage], None]
) -> None:
    synchronise(page)
    step(page)
    state, timex = page.adjtimex(RAW_NS)
    assert state == TIME_ERROR
    assert (timex.maxerror, timex.esterror) == (MAX_ERROR_US, MAX_ERROR_US)
    assert (timex.tick, timex.freq, timex.tai) == (10_010, 1_000, 37)
    assert page.adjtimex(RAW_NS, ADJ_OFFSET_SS_READ)[1].offset == 0
    assert page.read(RAW_NS) // NS_PER_S == 1_800_000_000


def test_no_fault_of_the_oscillator_shows_in_timex(page: ClockPage, new_page: NewPage) -> None:
    untouched = new_page(RAW_NS, WALL_NS)
    for clock in (page, untouched):
        synchronise(clock)
    page.step(RAW_NS, 1_000_000 * NS_PER_S)
    page.step(RAW_NS, -2_000_000 * NS_PER_S)
    page.set_drift(RAW_NS, 250.0)
    page.freeze(RAW_NS, True)
    page.set_wall(RAW_NS, WALL_NS)
    page.freeze(RAW_NS, False)
    page.set_drift(RAW_NS, 0)
    for after_ns in (0, NS_PER_S, 100 * NS_PER_S):
        for modes in (0, ADJ_OFFSET_SS_READ):
            seen = page.adjtimex(RAW_NS + after_ns, modes)
            expected = untouched.adjtimex(RAW_NS + after_ns, modes)
            assert seen[0] == expected[0]
            assert bytes(seen[1]) == bytes(expected[1])


@pytest.mark.parametrize(
    ("s", "ns"),
    [(-1, 0), (0, -1), (0, NS_PER_S), (999, NS_PER_S - 1), (8_277_292_036, 0), (2**62, 0)],
)
def test_settime_refuses_what_the_kernel_refuses(page: ClockPage, s: int, ns: int) -> None:
    # 999 s: the clock may not be set to before the boot, which raw counts from.
    with pytest.raises(OSError, match="Invalid argument"):
        page.settime(RAW_NS, s, ns)
    assert page.read(RAW_NS) == WALL_NS


@pytest.mark.parametrize(("s", "ns"), [(1_000, 0), (8_277_292_035, NS_PER_S - 1)])
def test_settime_at_the_limits(page: ClockPage, s: int, ns: int) -> None:
    page.settime(RAW_NS, s, ns)
    assert page.read(RAW_NS) == s * NS_PER_S + ns


# As a user without the right to set the clock the real kernel can be asked about every mode with
# no danger: it refuses. The virtual clock must refuse the same, with the same errno.
REFUSALS = """
import ctypes, json, sys
sys.path.insert(0, {tests!r})
from clockpage import Timex
libc = ctypes.CDLL(None, use_errno=True)
found = []
for modes, tick, fraction, freq in {calls!r}:
    timex = Timex(modes=modes, tick=tick, time_fraction=fraction, freq=freq)
    rc = libc.adjtimex(ctypes.byref(timex))
    found.append(ctypes.get_errno() if rc < 0 else 0)
print(json.dumps(found))
"""


def test_refusals_are_those_of_the_kernel(preloaded: Preloaded, build: object) -> None:
    words = [0, 1, 2, 0x20, 0x100, 0x2000, 0x2100, 0x4000, 0x8000, 0x8001, 0xA001]
    modes = sorted({a | b | c for a in words for b in words for c in words})
    calls = [
        (m, tick, fraction, freq)
        for m in modes
        for tick in (8_999, 10_000)
        for fraction in (-1, 5_000_000)
        for freq in (0, 2**62)
    ]
    source = REFUSALS.format(tests=str(copy_of_bindings(preloaded)), calls=calls)
    virtual = json.loads(preloaded.python(source, user=NOBODY))
    preloaded.page_path = None
    native = json.loads(preloaded.python(source, user=NOBODY))
    differing = [c for c, v, n in zip(calls, virtual, native, strict=True) if v != n]
    assert differing == []
    assert {0, 1, 22} <= set(native)


def copy_of_bindings(preloaded: Preloaded) -> str:
    """A directory with clockpage.py that any user may read."""
    import clockpage

    directory = preloaded.library_path.parent / "bindings"
    directory.mkdir(exist_ok=True)
    with open(clockpage.__file__) as source:
        (directory / "clockpage.py").write_text(source.read())
    return str(directory)
