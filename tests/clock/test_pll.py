"""The kernel's discipline, second by second, against its transcription in kernelclock.py.

Whatever a program does, and whenever, the virtual clock must show what the reference shows: the
reading to a few nanoseconds, everything that adjtimex tells exactly.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import pytest
from clockpage import (
    ADJ_MICRO,
    ADJ_NANO,
    ADJ_OFFSET,
    ADJ_OFFSET_SINGLESHOT,
    ADJ_OFFSET_SS_READ,
    ADJ_SETOFFSET,
    ADJ_STATUS,
    ADJ_TAI,
    ADJ_TIMECONST,
    FREQ_SCALE,
    NS_PER_S,
    STA_DEL,
    STA_FLL,
    STA_FREQHOLD,
    STA_INS,
    STA_MODE,
    STA_PLL,
    STA_UNSYNC,
    ClockPage,
    Timex,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from kernelclock import KernelClock

DAY_S = 86_400
RAW_NS = 1_000 * NS_PER_S
MIDNIGHT_S = 19_676 * DAY_S
WALL_NS = 1_700_000_000 * NS_PER_S + 123_456_789

# Where a second ends between two nanoseconds of raw, the library takes the later one; at the
# largest rates that is an eighth of a nanosecond of wall time per change of rate. A reading is
# rounded down besides.
TOLERANCE_NS = 3

NewPage = Callable[..., ClockPage]
Call = tuple[str, dict[str, int]]


def near(limits: list[int]) -> st.SearchStrategy[int]:
    return st.one_of(st.sampled_from(limits), st.integers(min(limits), max(limits)))


offsets = st.one_of(
    near([-500_000_001, 500_000_001]),
    st.integers(-2_000, 2_000),
    st.sampled_from([-(2**63), 2**63 - 1]),
)
statuses = st.lists(
    st.sampled_from([STA_PLL, STA_FLL, STA_FREQHOLD, STA_INS, STA_DEL, STA_UNSYNC, 0xFF00])
).map(lambda bits: sum(set(bits)))
constants = near([-1, 0, 1, 6, 10, 11, 37, 100_000, 100_001])
freqs = near([-501 * FREQ_SCALE, 501 * FREQ_SCALE])
modes = st.lists(
    st.sampled_from([1, 2, 4, 8, 0x10, 0x20, 0x80, 0x1000, 0x2000, 0x4000]), max_size=4
).map(lambda bits: sum(set(bits)))


def call(kind: str, **fields: st.SearchStrategy[int]) -> st.SearchStrategy[Call]:
    return st.tuples(st.just(kind), st.fixed_dictionaries(fields))


calls = st.one_of(
    call(
        "adjtimex",
        modes=modes,
        offset=offsets,
        freq=freqs,
        maxerror=near([-1, 0, 15_999_000, 16_000_001]),
        esterror=near([-1, 0, 16_000_001]),
        status=statuses,
        constant=constants,
        tick=near([8_999, 9_000, 10_000, 11_000, 11_001]),
    ),
    call(
        "adjtimex",
        modes=st.sampled_from([ADJ_OFFSET | ADJ_STATUS | ADJ_TIMECONST | ADJ_NANO]),
        status=st.sampled_from([STA_PLL, STA_PLL | STA_FLL, STA_PLL | STA_FREQHOLD]),
        offset=offsets,
        constant=st.integers(0, 10),
    ),
    call(
        "adjtimex",
        modes=st.sampled_from([ADJ_OFFSET_SINGLESHOT, ADJ_OFFSET_SS_READ]),
        offset=st.one_of(near([-5_000, -500, 0, 500, 501, 5_000]), near([-(2**63), 2**63 - 1])),
    ),
    call(
        "adjtimex",
        modes=st.sampled_from([ADJ_SETOFFSET, ADJ_SETOFFSET | ADJ_NANO, ADJ_SETOFFSET | 0x12]),
        time_s=near([-3, 3]),
        time_fraction=near([-1, 0, 999_999, 1_000_000, 10**9]),
        status=statuses,
    ),
    call("adjtimex", modes=st.just(ADJ_STATUS), status=statuses),
    call("settime", s=near([MIDNIGHT_S - 10, MIDNIGHT_S + 10]), ns=near([-1, 0, 10**9])),
    call("drift", value=st.integers(-100_000 * FREQ_SCALE, 100_000 * FREQ_SCALE)),
    call("freeze", value=st.integers(0, 1)),
    call("fold"),
)
spans = st.one_of(
    st.integers(0, 3 * NS_PER_S),
    st.integers(0, 300 * NS_PER_S),
    st.integers(0, 20_000 * NS_PER_S),
)


def apply_to_page(page: ClockPage, raw_ns: int, kind: str, given: dict[str, int]) -> object:
    if kind == "adjtimex":
        timex = Timex(**given)
        rc = page.library.vclock_adjtimex(page.handle, raw_ns, timex)
        return rc, timex if rc >= 0 else None
    if kind == "settime":
        try:
            page.settime(raw_ns, given["s"], given["ns"])
        except OSError as error:
            return -(error.errno or 0)
        return 0
    if kind == "drift":
        page.set_drift(raw_ns, given["value"] / FREQ_SCALE)
    elif kind == "freeze":
        page.freeze(raw_ns, bool(given["value"]))
    else:
        page.step(raw_ns, 0)
    return None


def apply_to_kernel(clock: KernelClock, raw_ns: int, kind: str, given: dict[str, int]) -> object:
    if kind == "adjtimex":
        return clock.adjtimex(raw_ns, **given)
    if kind == "settime":
        return clock.settime(raw_ns, given["s"], given["ns"])
    clock.advance(raw_ns)
    if kind == "drift":
        clock.drift = given["value"]
    elif kind == "freeze":
        clock.frozen = bool(given["value"])
    return None


def same_answer(virtual: object, kernel: object) -> None:
    if not isinstance(kernel, tuple):
        assert virtual == kernel
        return
    assert isinstance(virtual, tuple)
    (rc, timex), (expected_rc, fields) = virtual, kernel
    assert rc == expected_rc
    for name, expected in fields.items():
        if not name.startswith("time_"):
            assert (name, getattr(timex, name)) == (name, expected)


@given(
    st.sampled_from([WALL_NS, (MIDNIGHT_S - 2) * NS_PER_S - 1, (MIDNIGHT_S - 400) * NS_PER_S]),
    st.lists(st.tuples(spans, calls), max_size=10),
    st.lists(spans, min_size=1, max_size=3),
)
def test_the_clock_is_the_kernels(
    new_page: NewPage, wall_ns: int, steps: list[tuple[int, Call]], pauses_ns: list[int]
) -> None:
    page, kernel = new_page(RAW_NS, wall_ns), KernelClock(RAW_NS, wall_ns)
    raw_ns = RAW_NS
    for span_ns, (kind, given_fields) in [*steps, *((p, ("fold", {})) for p in pauses_ns)]:
        raw_ns += span_ns
        expected_ns = kernel.read(raw_ns)
        # A change at the very end of a second may come before it here and after it there.
        assume(kernel.to_boundary_ns() > 100 or kernel.frozen or raw_ns == RAW_NS)
        assert abs(page.read(raw_ns) - expected_ns) <= TOLERANCE_NS * (len(steps) + 1)
        seen = apply_to_page(page, raw_ns, kind, given_fields)
        same_answer(seen, apply_to_kernel(kernel, raw_ns, kind, given_fields))
        same_answer(page.adjtimex(raw_ns), kernel.adjtimex(raw_ns, 0))
        same_answer(
            page.adjtimex(raw_ns, ADJ_OFFSET_SS_READ), kernel.adjtimex(raw_ns, ADJ_OFFSET_SS_READ)
        )


@given(st.lists(st.tuples(spans, calls), max_size=6), st.lists(spans, min_size=2, max_size=6))
def test_folding_changes_nothing(
    new_page: NewPage, steps: list[tuple[int, Call]], pauses_ns: list[int]
) -> None:
    plain, folded = new_page(RAW_NS, WALL_NS), new_page(RAW_NS, WALL_NS)
    raw_ns = RAW_NS
    for span_ns, (kind, given_fields) in steps:
        folded.step(raw_ns + span_ns // 3, 0)
        raw_ns += span_ns
        apply_to_page(plain, raw_ns, kind, given_fields)
        apply_to_page(folded, raw_ns, kind, given_fields)
    for pause_ns in pauses_ns:
        raw_ns += pause_ns
        folded.step(raw_ns, 0)
        for later_ns in (0, 1, 999, NS_PER_S, 1_000_000 * NS_PER_S):
            assert folded.read(raw_ns + later_ns) == plain.read(raw_ns + later_ns)
        assert bytes(folded.adjtimex(raw_ns)[1]) == bytes(plain.adjtimex(raw_ns)[1])


def synchronised(new_page: NewPage, wall_ns: int = WALL_NS, **fields: int) -> ClockPage:
    page = new_page(RAW_NS, wall_ns)
    status = fields.pop("status", 0)
    page.adjtimex(RAW_NS, 0x4 | ADJ_STATUS, maxerror=0, status=status)
    return page


@pytest.mark.parametrize("constant", [0, 2, 6, 10])
@pytest.mark.parametrize("offset_ns", [-500_000_000, 1_000_000])
def test_an_offset_is_slewed_by_a_fixed_part_every_second(
    new_page: NewPage, constant: int, offset_ns: int
) -> None:
    page = synchronised(new_page, WALL_NS // NS_PER_S * NS_PER_S, status=STA_PLL | STA_FREQHOLD)
    page.adjtimex(RAW_NS, ADJ_NANO | ADJ_TIMECONST, constant=constant)
    _, timex = page.adjtimex(RAW_NS, ADJ_OFFSET, offset=offset_ns)
    assert abs(timex.offset - offset_ns) <= 1
    page.adjtimex(RAW_NS, ADJ_OFFSET, offset=offset_ns)
    raw_ns, left_ns = RAW_NS, offset_ns
    for _ in range(5):
        raw_ns = at_the_next_second(page, raw_ns)
        left_ns -= left_ns / 2 ** (2 + constant)
        assert abs(page.adjtimex(raw_ns)[1].offset - left_ns) <= 2


def at_the_next_second(page: ClockPage, raw_ns: int) -> int:
    """The first raw instant in the clock's next second, by bisection."""
    second = page.read(raw_ns) // NS_PER_S
    low, high = raw_ns, raw_ns + 2 * NS_PER_S
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if page.read(middle) // NS_PER_S > second else (middle, high)
    return high


def test_the_whole_offset_is_added_in_the_end(new_page: NewPage) -> None:
    page, still = synchronised(new_page, status=STA_PLL), new_page(RAW_NS, WALL_NS)
    page.adjtimex(RAW_NS, ADJ_NANO | ADJ_TIMECONST | ADJ_OFFSET, offset=100_000, constant=2)
    end_ns = RAW_NS + 1_000 * NS_PER_S
    # What it adds in a second it adds per second of its own, faster by as much.
    assert abs(page.read(end_ns) - still.read(end_ns) - 100_000) <= 2


def test_the_frequency_is_learned_from_offsets(new_page: NewPage) -> None:
    page = synchronised(new_page, status=STA_PLL)
    page.adjtimex(RAW_NS, ADJ_NANO | ADJ_TIMECONST, constant=2)
    later_ns = RAW_NS + 16 * NS_PER_S
    _, timex = page.adjtimex(later_ns, ADJ_OFFSET, offset=1_000_000)
    # ntp.c: offset * seconds / 2^(2 * (SHIFT_PLL + 2 + constant)) ns per s
    assert timex.freq == 1_000_000 * 16 * FREQ_SCALE // 4**6 // 1_000
    hold = ADJ_STATUS | ADJ_OFFSET
    _, timex = page.adjtimex(
        later_ns + 16 * NS_PER_S, hold, status=STA_PLL | STA_FREQHOLD, offset=10**6
    )
    assert timex.freq == 1_000_000 * 16 * FREQ_SCALE // 4**6 // 1_000


def test_long_intervals_switch_to_the_frequency_lock(new_page: NewPage) -> None:
    page = synchronised(new_page, status=STA_PLL | STA_FLL)
    _, timex = page.adjtimex(RAW_NS + 255 * NS_PER_S, ADJ_OFFSET, offset=10)
    assert not timex.status & STA_MODE
    _, timex = page.adjtimex(RAW_NS + 512 * NS_PER_S, ADJ_OFFSET, offset=10)
    assert timex.status & STA_MODE


def test_adjtime_slews_500_us_a_second_from_the_next_second_on(new_page: NewPage) -> None:
    page = new_page(RAW_NS, WALL_NS // NS_PER_S * NS_PER_S)
    page.adjtimex(RAW_NS + 1, ADJ_OFFSET_SINGLESHOT, offset=1_200)
    left = [
        page.adjtimex(RAW_NS + n * NS_PER_S + NS_PER_S // 2, ADJ_OFFSET_SS_READ)[1].offset
        for n in range(5)
    ]
    assert left == [1_200, 700, 200, 0, 0]
    gained_us = [
        (page.read(RAW_NS + n * NS_PER_S + 1) - WALL_NS // NS_PER_S * NS_PER_S - 1) // 1_000
        - n * 1_000_000
        for n in range(6)
    ]
    # A second ends where this clock shows the next, so each adds a quarter microsecond less.
    assert gained_us == [0, 0, 500, 999, 1_199, 1_199]


def test_a_new_slew_replaces_what_is_left_of_the_old_one(new_page: NewPage) -> None:
    page = new_page(RAW_NS, WALL_NS // NS_PER_S * NS_PER_S)
    page.adjtimex(RAW_NS, ADJ_OFFSET_SINGLESHOT, offset=1_000)
    middle_ns = RAW_NS + NS_PER_S * 3 // 2
    assert page.adjtimex(middle_ns, ADJ_OFFSET_SINGLESHOT, offset=-500)[1].offset == 500
    end_ns = middle_ns + 10 * NS_PER_S
    untouched_ns = WALL_NS // NS_PER_S * NS_PER_S + (end_ns - RAW_NS)
    assert abs(page.read(end_ns) - untouched_ns) < 1_000


def test_a_negative_offset_is_told_in_microseconds(new_page: NewPage) -> None:
    page = synchronised(new_page, status=STA_PLL)
    assert page.adjtimex(RAW_NS, ADJ_OFFSET | ADJ_MICRO, offset=-700)[1].offset == -700


@pytest.mark.parametrize(("modes", "unit"), [(ADJ_MICRO, 1_000), (ADJ_NANO, 1)])
def test_an_offset_is_given_in_the_unit_of_the_status(
    new_page: NewPage, modes: int, unit: int
) -> None:
    page = synchronised(new_page, status=STA_PLL)
    page.adjtimex(RAW_NS, modes | ADJ_OFFSET, offset=2**40)
    assert page.adjtimex(RAW_NS, ADJ_NANO)[1].offset == 500_000_000
    page.adjtimex(RAW_NS, modes | ADJ_OFFSET, offset=100_000 // unit)
    assert page.adjtimex(RAW_NS, ADJ_NANO)[1].offset == 100_000


@pytest.mark.parametrize(("wall_s", "forgotten"), [(0, True), (3_600, False)])
def test_stepping_drops_what_was_to_be_slewed(
    new_page: NewPage, wall_s: int, forgotten: bool
) -> None:
    page = synchronised(new_page, status=STA_PLL)
    page.adjtimex(RAW_NS, ADJ_OFFSET | ADJ_NANO, offset=10**8)
    if forgotten:
        page.adjtimex(RAW_NS, ADJ_SETOFFSET, time_s=wall_s)
    else:
        page.step(RAW_NS, wall_s * NS_PER_S)  # of the oscillator: no program did that
    assert (page.adjtimex(RAW_NS)[1].offset == 0) == forgotten


# ---------- reading costs little, however long nobody has written


def test_a_clock_in_its_loop_is_read_in_bounded_time(new_page: NewPage) -> None:
    page = synchronised(new_page, status=STA_PLL)
    page.adjtimex(RAW_NS, ADJ_NANO | ADJ_TIMECONST | ADJ_OFFSET, constant=10, offset=500_000_000)
    raw_ns = RAW_NS + 30 * 366 * DAY_S * NS_PER_S
    start = time.process_time()
    first_ns = page.read(raw_ns)
    # The worst case there is takes a few milliseconds once, and then nothing.
    assert time.process_time() - start < 1
    start = time.process_time()
    assert [page.read(raw_ns + n) - first_ns for n in range(0, 10_000, 100)] == list(
        range(0, 10_000, 100)
    )
    assert time.process_time() - start < 0.1


@given(st.integers(-(2**63), 2**63 - 1))
def test_any_slew_is_read_in_bounded_time(new_page: NewPage, slew_us: int) -> None:
    page = new_page(RAW_NS, WALL_NS)
    page.adjtimex(RAW_NS, ADJ_OFFSET_SINGLESHOT, offset=slew_us)
    start = time.process_time()
    page.read(RAW_NS + 30 * 366 * DAY_S * NS_PER_S)
    assert time.process_time() - start < 1


def test_what_was_reached_on_one_page_is_not_told_of_another(
    new_page: NewPage, library: object
) -> None:
    pages = [synchronised(new_page, status=STA_PLL) for _ in range(2)]
    for page, offset in zip(pages, (1_000, -1_000), strict=True):
        page.adjtimex(RAW_NS, ADJ_OFFSET, offset=offset)
    expected = [KernelClock(RAW_NS, WALL_NS) for _ in pages]
    for kernel, offset in zip(expected, (1_000, -1_000), strict=True):
        kernel.adjtimex(RAW_NS, 0x4 | ADJ_STATUS, status=STA_PLL)
        kernel.adjtimex(RAW_NS, ADJ_OFFSET, offset=offset)
    for second in (10, 5, 20, 10, 11):
        raw_ns = RAW_NS + second * NS_PER_S
        for page, kernel in zip(pages, expected, strict=True):
            if raw_ns << 64 >= kernel.raw:
                assert abs(page.read(raw_ns) - kernel.read(raw_ns)) <= TOLERANCE_NS
    # Backwards in time again, which the reference cannot do.
    readings = [pages[0].read(RAW_NS + n * NS_PER_S) for n in range(30)]
    assert readings == [pages[0].read(RAW_NS + n * NS_PER_S) for n in reversed(range(30))][::-1]
    assert all(NS_PER_S <= b - a < NS_PER_S * 1.01 for a, b in pairwise(readings))


@given(st.lists(st.tuples(spans, calls), max_size=6))
def test_tai_never_leaps(new_page: NewPage, steps: list[tuple[int, Call]]) -> None:
    page = synchronised(new_page, (MIDNIGHT_S - 5) * NS_PER_S, status=STA_INS)
    page.adjtimex(RAW_NS, ADJ_TAI, constant=37)
    raw_ns = RAW_NS
    for span_ns, (kind, given_fields) in steps:
        sets = given_fields.get("modes", 0) & (ADJ_SETOFFSET | ADJ_TAI)
        if kind in ("settime", "freeze") or sets:
            continue
        before = page.status(raw_ns)
        raw_ns += span_ns
        after = page.status(raw_ns)
        tai_ns = after.wall_ns - before.wall_ns + (after.tai - before.tai) * NS_PER_S
        assert 0.5 * span_ns - 1 <= tai_ns <= 1.5 * span_ns + 1
        apply_to_page(page, raw_ns, kind, given_fields)
