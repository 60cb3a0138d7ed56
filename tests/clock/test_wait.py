"""Waiting for a wall time, in every way there is: by the virtual clock, whatever it does meanwhile.

`waiter.c` waits and tells when it came back, by the raw clock and by the wall clock.
"""

from __future__ import annotations

import errno
import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from clockpage import (
    ADJ_FREQUENCY,
    ADJ_SETOFFSET,
    ADJ_STATUS,
    ADJ_TAI,
    FREQ_SCALE,
    NOW,
    NS_PER_S,
    ClockPage,
)

from conftest import Preloaded

WAITER = Path(__file__).with_name("waiter.c")
HOUR_NS = 3_600 * NS_PER_S
MS_NS = 1_000_000
LIMIT_S = 30
MIDNIGHT_S = 1_700_006_400
STA_INS, STA_DEL = 0x10, 0x20

# Whoever is woken late by the scheduler of a busy machine has not been forgotten.
SLACK_NS = 2 * NS_PER_S

DESCRIPTORS = [
    *("timerfd", "timerfd-poll", "timerfd-cancel", "timerfd-cancel-poll"),
    *("timerfd-cancel-readv", "timerfd-cancel-syscall"),
]
CANCELLED = [way for way in DESCRIPTORS if "cancel" in way]
DIRECT = ["nanosleep", "nanosleep-tai", "nanosleep-syscall", "timer", "timer-tai"]
LIMITS = [
    *("cond", "cond-clock", "cnd", "mutex", "mutex-clock", "mutex-pi", "mtx"),
    *("rdlock", "wrlock", "rdlock-clock", "wrlock-clock", "sem", "sem-clock"),
    *("mq-receive", "mq-send", "futex", "lock-pi", "lock-pi2", "join", "join-clock"),
]
WALL = DIRECT + DESCRIPTORS + LIMITS
NOT_WALL = [
    *("nanosleep-rel", "timerfd-rel", "timer-rel"),
    *("nanosleep-mono", "timerfd-mono", "timer-mono", "cond-mono"),
    *("mutex-mono", "sem-mono", "futex-mono", "lock-pi2-mono", "join-mono"),
]


@dataclass(frozen=True)
class Wait:
    """What the program saw: 0 or an errno, and instants in ns."""

    result: int
    asked_ns: int
    raw_ns: tuple[int, int]
    wall_ns: tuple[int, int]

    @property
    def lasted_ns(self) -> int:
        return self.raw_ns[1] - self.raw_ns[0]


class Waiting:
    """A program in the middle of a wait."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout
        assert process.stdout.readline() == "waiting\n"

    def until_asleep(self) -> None:
        """Until every thread of the program sleeps in the kernel, the one that waits included."""
        deadline = time.monotonic() + LIMIT_S
        tasks = Path(f"/proc/{self.process.pid}/task")
        while True:
            states = [(task / "stat").read_text().rsplit(") ", 1)[1][0] for task in tasks.iterdir()]
            if len(states) >= 2 and set(states) == {"S"}:
                return
            assert time.monotonic() < deadline, states
            time.sleep(0.001)

    def ended(self) -> Wait:
        # Not communicate(): what readline() left in its buffer would be lost.
        assert self.process.stdout
        found = json.loads(self.process.stdout.read())
        self.process.wait(timeout=LIMIT_S)
        return Wait(found["result"], found["asked"], tuple(found["raw"]), tuple(found["wall"]))


@pytest.fixture(scope="module")
def waiter(compile_c: Callable[..., Path]) -> Path:
    return compile_c("waiter", WAITER.read_text(), "-lpthread", "-lrt")


StartWait = Callable[[str, float], AbstractContextManager[Waiting]]


@pytest.fixture
def start(preloaded: Preloaded, waiter: Path) -> StartWait:
    """Starts a wait: `with start(way, seconds) as waiting`."""

    @contextmanager
    def begin(way: str, seconds: float) -> Iterator[Waiting]:
        with subprocess.Popen(
            [waiter, way, str(seconds)],
            env=preloaded.environment(),
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            try:
                yield Waiting(process)
            finally:
                process.kill()

    return begin


def is_limit(way: str) -> bool:
    return way in LIMITS


def expected(way: str) -> int:
    return errno.ETIMEDOUT if is_limit(way) else 0


@pytest.mark.parametrize("way", WALL)
def test_a_wait_ends_when_the_virtual_clock_shows_its_time(
    start: StartWait, live_page: ClockPage, way: str
) -> None:
    # A clock that is a tenth fast comes to its time in less than has been asked for.
    live_page.set_drift(NOW, 100_000)
    with start(way, 0.55) as waiting:
        wait = waiting.ended()
    assert wait.result == expected(way)
    assert wait.wall_ns[1] >= wait.asked_ns
    assert 0.5 * NS_PER_S <= wait.lasted_ns < 0.5 * NS_PER_S + SLACK_NS


@pytest.mark.alone
@pytest.mark.parametrize("way", ["nanosleep", "timerfd", "timer", "cond", "sem"])
def test_waits_end_within_a_few_milliseconds_of_their_time(
    start: StartWait, live_page: ClockPage, way: str
) -> None:
    live_page.set_drift(NOW, 100_000)
    late_ns = []
    for _ in range(7):
        with start(way, 0.11) as waiting:
            wait = waiting.ended()
        late_ns.append(wait.wall_ns[1] - wait.asked_ns)
    assert min(late_ns) >= 0
    assert statistics.median(late_ns) < 10 * MS_NS


@pytest.mark.alone
@pytest.mark.parametrize("way", WALL)
def test_a_step_forward_ends_a_wait(start: StartWait, live_page: ClockPage, way: str) -> None:
    late_ns = []
    for _ in range(3):
        with start(way, 1_800) as waiting:
            waiting.until_asleep()
            raw_ns = live_page.step(NOW, HOUR_NS)
            wait = waiting.ended()
        late_ns.append(wait.raw_ns[1] - raw_ns)
        assert wait.result == (errno.ECANCELED if way in CANCELLED else expected(way))
        if statistics.median(late_ns) < 10 * MS_NS:
            return
    assert statistics.median(late_ns) < 10 * MS_NS


@pytest.mark.parametrize("way", sorted(set(WALL) - set(CANCELLED)))
def test_a_step_back_makes_a_wait_longer(start: StartWait, live_page: ClockPage, way: str) -> None:
    with start(way, 0.3) as waiting:
        waiting.until_asleep()
        live_page.step(NOW, -NS_PER_S // 2)
        wait = waiting.ended()
    assert wait.result == expected(way)
    assert wait.wall_ns[1] >= wait.asked_ns
    assert 0.8 * NS_PER_S <= wait.lasted_ns < 0.8 * NS_PER_S + SLACK_NS


@pytest.mark.parametrize("way", ["nanosleep", "timerfd-poll", "timer", "cond", "mutex", "sem"])
def test_a_change_of_rate_is_waited_by(start: StartWait, live_page: ClockPage, way: str) -> None:
    live_page.set_drift(NOW, 100_000)
    with start(way, 1.1) as waiting:
        waiting.until_asleep()
        raw_ns = live_page.set_drift(NOW, -100_000)
        wait = waiting.ended()
    assert wait.result == expected(way)
    # 1.1 at 1.1 until the change, the rest at 0.9.
    before_ns = raw_ns - wait.raw_ns[0]
    least_ns = before_ns + (1.1 * NS_PER_S - 1.1 * before_ns) / 0.9
    assert least_ns - MS_NS <= wait.lasted_ns < least_ns + SLACK_NS


@pytest.mark.parametrize("way", ["nanosleep", "timerfd-poll", "timer", "cond", "mutex", "sem"])
def test_waits_on_a_frozen_clock_last_until_it_runs(
    start: StartWait, live_page: ClockPage, way: str
) -> None:
    with start(way, 0.2) as waiting:
        waiting.until_asleep()
        live_page.freeze(NOW, True)
        # In which a clock that runs would have come to its time.
        time.sleep(0.5)
        assert waiting.process.poll() is None
        raw_ns = live_page.freeze(NOW, False)
        wait = waiting.ended()
    assert wait.result == expected(way)
    assert wait.raw_ns[1] >= raw_ns
    assert wait.wall_ns[1] >= wait.asked_ns


@pytest.mark.parametrize("way", NOT_WALL)
def test_relative_and_monotonic_waits_are_the_hosts(
    start: StartWait, live_page: ClockPage, way: str
) -> None:
    live_page.set_drift(NOW, 100_000)
    with start(way, 0.55) as waiting:
        waiting.until_asleep()
        live_page.step(NOW, HOUR_NS)
        wait = waiting.ended()
    by_nature = ("cond", "mutex", "sem", "futex", "lock-pi2", "join")
    ended_by_limit = way.removesuffix("-mono") in by_nature
    assert wait.result == (errno.ETIMEDOUT if ended_by_limit else 0)
    assert 0.549 * NS_PER_S <= wait.lasted_ns < 0.55 * NS_PER_S + SLACK_NS


@pytest.mark.parametrize("way", WALL + NOT_WALL)
def test_without_a_page_all_waits_are_the_hosts(
    preloaded: Preloaded, start: StartWait, way: str
) -> None:
    preloaded.page_path = None
    with start(way, 0.1) as waiting:
        wait = waiting.ended()
    assert wait.result in (0, errno.ETIMEDOUT)
    assert 0.099 * NS_PER_S <= wait.lasted_ns < 0.1 * NS_PER_S + SLACK_NS


@pytest.mark.parametrize("way", WALL)
def test_a_time_that_is_past_is_not_waited_for(
    start: StartWait, live_page: ClockPage, way: str
) -> None:
    with start(way, -5.0) as waiting:
        wait = waiting.ended()
    assert wait.result in (expected(way), errno.EOVERFLOW)
    assert wait.lasted_ns < SLACK_NS


@pytest.mark.parametrize("way", CANCELLED)
@pytest.mark.parametrize(
    ("change", "is_step"),
    [
        (lambda page: page.step(NOW, 1), True),
        (lambda page: page.settime(NOW, 1_600_000_000), True),
        (lambda page: page.adjtimex(NOW, ADJ_SETOFFSET, time_s=0, time_fraction=1), True),
        (lambda page: page.adjtimex(NOW, ADJ_FREQUENCY, freq=100 * FREQ_SCALE), False),
        (lambda page: page.adjtimex(NOW, ADJ_TAI, constant=37), False),
        (lambda page: page.set_drift(NOW, 50), False),
    ],
    ids=["fault", "settime", "setoffset", "frequency", "tai", "drift"],
)
def test_steps_and_nothing_else_cancel_on_set(
    start: StartWait,
    live_page: ClockPage,
    way: str,
    change: Callable[[ClockPage], object],
    is_step: bool,
) -> None:
    with start(way, 0.4) as waiting:
        waiting.until_asleep()
        change(live_page)
        wait = waiting.ended()
    assert wait.result == (errno.ECANCELED if is_step else 0)
    assert is_step or wait.lasted_ns >= 0.39 * NS_PER_S


@pytest.mark.parametrize("way", ["nanosleep", "timerfd", "cond", "sem"])
@pytest.mark.parametrize(("status", "leap_s"), [(STA_INS, 1), (STA_DEL, -1)], ids=["ins", "del"])
def test_a_leap_second_is_waited_for(
    start: StartWait, live_page: ClockPage, way: str, status: int, leap_s: int
) -> None:
    live_page.settime(NOW, MIDNIGHT_S - 3)
    live_page.adjtimex(NOW, ADJ_STATUS, status=status)
    with start(way, 3.3) as waiting:
        wait = waiting.ended()
    assert wait.result == expected(way)
    lasts_ns = (3.3 + leap_s) * NS_PER_S
    assert lasts_ns <= wait.lasted_ns < lasts_ns + SLACK_NS / 4


def test_tai_moves_who_waits_for_it(start: StartWait, live_page: ClockPage) -> None:
    with start("nanosleep-tai", 30) as waiting:
        waiting.until_asleep()
        live_page.adjtimex(NOW, ADJ_TAI, constant=37)
        wait = waiting.ended()
    assert wait.lasted_ns < 30 * NS_PER_S


@pytest.mark.parametrize("way", ["nanosleep", "timerfd-poll", "timer", "cond"])
def test_who_waits_uninterrupted_does_not_look_at_the_clock(
    start: StartWait, live_page: ClockPage, way: str
) -> None:
    """Counted by the kernel: how often the threads of the program went to sleep."""
    with start(way, 1_000_000) as waiting:
        waiting.until_asleep()
        assert switches_of_a_second(waiting.process.pid)[0] <= 3


@pytest.mark.parametrize("way", ["mutex", "sem", "mq-receive", "futex"])
def test_slices_look_at_the_clock_200_times_a_second(
    start: StartWait, live_page: ClockPage, way: str
) -> None:
    with start(way, 1_000_000) as waiting:
        waiting.until_asleep()
        number, seconds = switches_of_a_second(waiting.process.pid)
        assert 0 < number <= 250 * seconds


def switches_of_a_second(pid: int) -> tuple[int, float]:
    """How often the threads of a program went to sleep, and in how many seconds: one or more."""
    before, start_s = switches(pid), time.monotonic()
    time.sleep(1)
    return switches(pid) - before, time.monotonic() - start_s


def switches(pid: int) -> int:
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        for line in (task / "status").read_text().splitlines():
            if line.startswith("voluntary_ctxt_switches"):
                total += int(line.split()[1])
    return total


def test_a_reader_of_the_page_needs_no_permission_to_be_woken(
    preloaded: Preloaded, waiter: Path, live_page: ClockPage
) -> None:
    user = 65534 if os.geteuid() == 0 else None
    with subprocess.Popen(
        [waiter, "nanosleep", "1800"],
        env=preloaded.environment(),
        stdout=subprocess.PIPE,
        text=True,
        user=user,
    ) as process:
        waiting = Waiting(process)
        waiting.until_asleep()
        live_page.step(NOW, HOUR_NS)
        assert waiting.ended().result == 0
