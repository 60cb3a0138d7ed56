"""Leap seconds at virtual midnight UTC, as kernel/time/ntp.c has them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from clockpage import (
    ADJ_NANO,
    ADJ_STATUS,
    ADJ_TAI,
    NS_PER_S,
    STA_DEL,
    STA_INS,
    STA_NANO,
    STA_PLL,
    TIME_DEL,
    TIME_ERROR,
    TIME_INS,
    TIME_OK,
    TIME_OOP,
    TIME_WAIT,
    ClockPage,
)

DAY_S = 86_400
RAW_NS = 1_000 * NS_PER_S
MIDNIGHT_S = 19_676 * DAY_S
TAI_S = 37

NewPage = Callable[..., ClockPage]


def before_midnight(new_page: NewPage, seconds: float, status: int) -> ClockPage:
    """A synchronised clock so long before midnight, with a leap second announced."""
    page = new_page(RAW_NS, round((MIDNIGHT_S - seconds) * NS_PER_S))
    page.adjtimex(RAW_NS, 0x4 | ADJ_STATUS | ADJ_NANO, maxerror=0, status=status)
    page.adjtimex(RAW_NS, ADJ_TAI, constant=TAI_S)
    return page


def seen(page: ClockPage, after_s: float) -> tuple[int, float, int]:
    """State, seconds after midnight and TAI offset, as adjtimex tells them."""
    state, timex = page.adjtimex(RAW_NS + round(after_s * NS_PER_S))
    return state, timex.time_s - MIDNIGHT_S + timex.time_fraction / NS_PER_S, timex.tai


def test_a_second_is_inserted(new_page: NewPage) -> None:
    page = before_midnight(new_page, 2.5, STA_INS)
    assert [seen(page, n) for n in range(6)] == [
        (TIME_OK, -2.5, TAI_S),
        (TIME_INS, -1.5, TAI_S),
        (TIME_INS, -0.5, TAI_S),
        (TIME_OOP, -0.5, TAI_S + 1),  # 23:59:60 is shown as 23:59:59 once more
        (TIME_WAIT, 0.5, TAI_S + 1),
        (TIME_WAIT, 1.5, TAI_S + 1),
    ]


def test_a_second_is_deleted(new_page: NewPage) -> None:
    page = before_midnight(new_page, 3.5, STA_DEL)
    assert [seen(page, n) for n in range(5)] == [
        (TIME_OK, -3.5, TAI_S),
        (TIME_DEL, -2.5, TAI_S),
        (TIME_DEL, -1.5, TAI_S),
        (TIME_WAIT, 0.5, TAI_S - 1),
        (TIME_WAIT, 1.5, TAI_S - 1),
    ]


@pytest.mark.parametrize(("status", "step_ns"), [(STA_INS, -NS_PER_S), (STA_DEL, NS_PER_S)])
def test_it_leaps_at_the_very_end_of_the_second(
    new_page: NewPage, status: int, step_ns: int
) -> None:
    page = before_midnight(new_page, 3.5, status)
    leap_ns = RAW_NS + (3_500_000_000 if status == STA_INS else 2_500_000_000)
    assert page.read(leap_ns) - page.read(leap_ns - 1) == step_ns + 1
    # Once only
    assert page.read(leap_ns + 3 * NS_PER_S) - page.read(leap_ns) == 3 * NS_PER_S
    assert page.read(leap_ns + 3 * DAY_S * NS_PER_S) - page.read(leap_ns) == 3 * DAY_S * NS_PER_S


@pytest.mark.parametrize("status", [STA_INS, STA_DEL])
def test_it_is_announced_a_day_ahead_and_read_in_one_go(new_page: NewPage, status: int) -> None:
    page = before_midnight(new_page, DAY_S - 0.5, status)
    state, since_midnight_s, tai_s = seen(page, DAY_S - 2.5)
    assert (since_midnight_s, tai_s) == (-2.0, TAI_S)
    _, since_midnight_s, tai_s = seen(page, DAY_S + 10.5)
    leap_s = 1 if status == STA_DEL else -1
    assert (since_midnight_s, tai_s) == (11 + leap_s, TAI_S - leap_s)
    assert state in (TIME_INS, TIME_DEL, TIME_ERROR)  # unsynchronised for want of updates


def test_waiting_ends_when_the_announcement_is_taken_back(new_page: NewPage) -> None:
    page = before_midnight(new_page, 0.5, STA_INS)
    page.adjtimex(RAW_NS, ADJ_STATUS, status=STA_INS)
    assert seen(page, 2)[0] == TIME_INS  # too late for this midnight: the state was OK then
    page.adjtimex(RAW_NS + 2 * NS_PER_S, ADJ_STATUS, status=0)
    assert seen(page, 2.1)[0] == TIME_INS
    assert seen(page, 3)[0] == TIME_OK

    page = before_midnight(new_page, 1.5, STA_INS)
    assert [seen(page, n)[0] for n in (1, 2, 3, 4)] == [TIME_INS, TIME_OOP, TIME_WAIT, TIME_WAIT]
    page.adjtimex(RAW_NS + 4 * NS_PER_S, ADJ_STATUS, status=0)
    assert [seen(page, n)[0] for n in (4.1, 5)] == [TIME_WAIT, TIME_OK]


def test_an_announcement_that_is_taken_back_does_nothing(new_page: NewPage) -> None:
    page = before_midnight(new_page, 5.5, STA_INS)
    page.adjtimex(RAW_NS + 2 * NS_PER_S, ADJ_STATUS, status=0)
    assert seen(page, 10) == (TIME_OK, 4.5, TAI_S)


def test_switching_the_loop_off_forgets_the_announcement(new_page: NewPage) -> None:
    page = before_midnight(new_page, 5.5, STA_INS | STA_PLL)
    assert seen(page, 1)[0] == TIME_INS
    page.adjtimex(RAW_NS + NS_PER_S, ADJ_STATUS, status=0)
    assert seen(page, 1)[0] == TIME_OK
    assert page.read(RAW_NS + 10 * NS_PER_S) == MIDNIGHT_S * NS_PER_S + 4_500_000_000


def test_setting_the_clock_calls_the_leap_off(new_page: NewPage) -> None:
    page = before_midnight(new_page, 5.5, STA_INS)
    assert seen(page, 1)[0] == TIME_INS
    page.settime(RAW_NS + NS_PER_S, MIDNIGHT_S - 4, NS_PER_S // 2)
    page.adjtimex(RAW_NS + NS_PER_S, 0x4 | ADJ_STATUS, maxerror=0, status=STA_INS)
    # As in the kernel: the state stays, but the second it waited for is forgotten
    assert seen(page, 10) == (TIME_INS, 5.5, TAI_S)


def test_past_instants_are_read_across_a_leap(new_page: NewPage) -> None:
    page = before_midnight(new_page, 1.5, STA_INS)
    page.adjtimex(RAW_NS + 4 * NS_PER_S, ADJ_NANO)
    readings = [page.read(RAW_NS + n * NS_PER_S) for n in (0, 1, 2, 3, 4)]
    assert [r / NS_PER_S - MIDNIGHT_S for r in readings] == [-1.5, -0.5, -0.5, 0.5, 1.5]
    assert page.adjtimex(RAW_NS)[1].status & STA_NANO
