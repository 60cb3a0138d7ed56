"""Damaged pages, at random: no reader hangs, none crashes, and a page that cannot be true is left.

Pages with a past (slews, a loop at work, a leap second to come, a frozen clock) are damaged before
a program starts or while it runs. The program then tells the time, sets it and waits for it; a
timer of its own ends it should it hang.
"""

from __future__ import annotations

import random
import signal
import struct
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from clockpage import (
    ADJ_FREQUENCY,
    ADJ_NANO,
    ADJ_OFFSET,
    ADJ_OFFSET_SINGLESHOT,
    ADJ_STATUS,
    NOW,
    NS_PER_S,
    STA_INS,
    STA_PLL,
    ClockPage,
    opened,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conftest import Preloaded

Compile = Callable[..., Path]

# struct page in page.h
SEQ_AT, LOCK_AT, RING_AT, SLOT, SLOTS, SET_WORDS = 64, 128, 192, 256, 64, 22
SIZE = RING_AT + SLOTS * SLOT
WALL_NS = 1_700_000_000 * NS_PER_S
LIMIT_S = 60
GONE = "libvclock: the clock page is damaged, this is the host's clock now\n"

PROBE = r"""
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static void
wait_a_little(void)
{
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  struct itimerspec its = {{0, 0}, {0, 0}};
  struct timespec ts;
  int fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK);

  clock_gettime(CLOCK_REALTIME, &ts);
  ts.tv_nsec += ts.tv_nsec < 999000000 ? 1000000 : 0;
  clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL);
  pthread_mutex_lock(&mutex);
  pthread_cond_timedwait(&cond, &mutex, &ts);
  pthread_mutex_unlock(&mutex);
  its.it_value = ts;
  timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &its, NULL);
  timerfd_gettime(fd, &its);
  close(fd);
}

int
main(int argc, char **argv)
{
  int waits = argc > 1 && strchr(argv[1], 'w'), i;
  struct timespec ts;
  struct timeval tv;
  struct timex tx;

  alarm(30);
  clock_gettime(CLOCK_REALTIME, &ts);
  puts("ready");
  fflush(stdout);
  if (argc > 1 && strchr(argv[1], 'r'))
    getchar();

  for (i = 0; i < 3; i++) {
    clock_gettime(CLOCK_REALTIME, &ts);
    clock_gettime(CLOCK_TAI, &ts);
    gettimeofday(&tv, NULL);
    tx = (struct timex){.modes = 0};
    adjtimex(&tx);
    if (waits)
      wait_a_little();
    tx = (struct timex){.modes = ADJ_ESTERROR, .esterror = 7};
    if (i == 0)
      adjtimex(&tx);
  }
  clock_gettime(CLOCK_REALTIME, &ts);
  printf("%lld%09ld\n", (long long)ts.tv_sec, ts.tv_nsec);
  return 0;
}
"""

words = st.one_of(
    st.sampled_from([0, 1, 2**63 - 1, 2**63, 2**64 - 1, 2**62, 2**32, 10**9]),
    st.integers(0, 2**64 - 1),
    st.integers(0, 2**16),
)
pasts = st.sampled_from(["new", "slewing", "loop", "leap", "frozen", "ring"])
RELAXED = settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def probe(compile_c: Compile) -> Path:
    return compile_c("probe", PROBE, "-lpthread")


Make = Callable[[str], ClockPage]


@pytest.fixture
def make(library: object, public_dir: Path) -> Make:
    """A page of its own with a past of the kind asked for, closed."""

    def build(past: str) -> ClockPage:
        page = ClockPage.create(library, public_dir / "damaged", NOW, WALL_NS)
        if past == "slewing":
            page.adjtimex(NOW, ADJ_OFFSET_SINGLESHOT, offset=10**9)
        if past == "loop":
            page.adjtimex(NOW, ADJ_STATUS | ADJ_NANO, status=STA_PLL)
            page.adjtimex(NOW, ADJ_OFFSET, offset=3 * 10**8)
        if past == "leap":
            page.adjtimex(NOW, ADJ_STATUS, status=STA_INS)
        if past == "frozen":
            page.freeze(NOW, True)
        for freq in range(100 if past == "ring" else 0):
            page.adjtimex(NOW, ADJ_FREQUENCY, freq=freq)
        return page

    return build


def scribble(path: Path, at: int, data: bytes) -> None:
    """Over a page as it is, so that who has mapped it sees it."""
    with path.open("r+b") as file:
        file.seek(at)
        file.write(data)


def tell(
    preloaded: Preloaded, probe: Path, path: Path, how: str, damage: Callable[[], object]
) -> tuple[int, str]:
    """What the program printed last and its stderr; damaged once it runs if `how` has an r."""
    preloaded.page_path = path
    if "r" not in how:
        damage()
    with subprocess.Popen(
        [probe, how],
        env=preloaded.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout
        assert process.stdin
        assert process.stdout.readline() == "ready\n"
        if "r" in how:
            damage()
            process.stdin.write("\n")
            process.stdin.flush()
        # Not communicate(): what readline() left in its buffer would be lost. The program ends by
        # its own alarm, and says less than a pipe holds.
        output = process.stdout.read()
        assert process.stderr
        errors = process.stderr.read()
    process.wait(timeout=LIMIT_S)
    assert process.returncode != -signal.SIGALRM, "it hung"
    assert process.returncode == 0, (process.returncode, errors)
    return int(output), errors


def assert_left(reading_ns: int, errors: str, before_ns: int) -> None:
    """On the host's clock, after one line that says so."""
    assert before_ns <= reading_ns <= time.time_ns()
    assert errors.startswith("libvclock: ")
    assert "this is the host's clock" in errors
    assert errors.count("\n") == 1


ways = st.sampled_from(["", "w", "r", "rw"])


@RELAXED
@given(past=pasts, how=ways, seed=st.integers(0, 2**32), late=st.booleans())
def test_random_sets_are_left_with_a_message(
    preloaded: Preloaded, probe: Path, make: Make, past: str, how: str, seed: int, late: bool
) -> None:
    choice, before_ns = random.Random(seed), time.time_ns()
    sets = bytearray(choice.randbytes(SLOTS * SLOT))
    for n in range(SLOTS if late else 0):  # whatever it was, it is over or has not begun to run
        at = n * SLOT + 32
        struct.pack_into("<QqqQ", sets, at, 0, 0, 0, choice.choice([0, 2**64 - 1]))
    with opened(make(past)) as page:
        path = page.path
        found = tell(preloaded, probe, path, how, lambda: scribble(path, RING_AT, bytes(sets)))
    if late or found[1]:
        assert_left(*found, before_ns)


@RELAXED
@given(
    past=pasts,
    how=ways,
    changes=st.lists(st.tuples(st.integers(0, SET_WORDS - 1), words), min_size=1, max_size=4),
    seq=st.one_of(st.none(), words),
)
def test_sets_with_a_few_wrong_words_neither_hang_nor_crash(
    preloaded: Preloaded,
    probe: Path,
    make: Make,
    past: str,
    how: str,
    changes: list[tuple[int, int]],
    seq: int | None,
) -> None:
    before_ns = time.time_ns()

    def damage() -> None:
        for n in range(SLOTS):
            for word, value in changes:
                scribble(path, RING_AT + n * SLOT + word * 8, struct.pack("<Q", value))
        if seq is not None:
            scribble(path, SEQ_AT, struct.pack("<Q", seq))

    if past == "frozen":  # and still so if it is not found out: who waits on it waits for good
        how = how.replace("w", "")
    with opened(make(past)) as page:
        path = page.path
        reading_ns, errors = tell(preloaded, probe, path, how, damage)
    if errors:
        assert_left(reading_ns, errors, before_ns)


@RELAXED
@given(header=st.binary(min_size=16, max_size=SEQ_AT), at=st.integers(0, 15))
def test_random_headers_are_left_with_a_message(
    preloaded: Preloaded, probe: Path, make: Make, header: bytes, at: int
) -> None:
    before_ns = time.time_ns()
    with opened(make("new")) as page:
        whole = page.path.read_bytes()
        if header[: 16 - at] == whole[at:16]:
            return
        found = tell(
            preloaded, probe, page.path, "", lambda: scribble(page.path, at, header[: 16 - at])
        )
    assert_left(*found, before_ns)


@RELAXED
@given(
    how=st.sampled_from(["r", "rw"]),
    sizes=st.lists(st.integers(0, SIZE + 8_192), min_size=1, max_size=3),
)
def test_a_page_that_is_cut_and_grown_while_in_use_never_hangs_or_crashes(
    preloaded: Preloaded, probe: Path, make: Make, how: str, sizes: list[int]
) -> None:
    before_ns = time.time_ns()

    def damage() -> None:
        with path.open("r+b") as file:
            for size in sizes:
                file.truncate(size)

    with opened(make("ring")) as page:
        path = page.path
        reading_ns, errors = tell(preloaded, probe, path, how, damage)
    if min(sizes) <= SEQ_AT or errors:
        assert_left(reading_ns, errors, before_ns)


@pytest.mark.parametrize("how", ["", "r"])
def test_a_page_of_zeros_behind_its_header_is_left(
    preloaded: Preloaded, probe: Path, make: Make, how: str
) -> None:
    before_ns = time.time_ns()
    with opened(make("new")) as page:
        path = page.path
        blank = bytes(SIZE - RING_AT)
        reading_ns, errors = tell(
            preloaded, probe, path, how, lambda: scribble(path, RING_AT, blank)
        )
    assert_left(reading_ns, errors, before_ns)
    if how == "r":
        assert errors == GONE


@pytest.mark.parametrize("how", ["", "r"])
@pytest.mark.parametrize("content", ["kind", "owner", "random"])
def test_a_damaged_lock_holds_up_no_writer_for_good(
    preloaded: Preloaded, probe: Path, make: Make, content: str, how: str
) -> None:
    """A mutex of another kind makes a foreign page; one whose holder is nobody is waited for."""
    lock = {
        "kind": (16, struct.pack("<I", 3)),
        "owner": (0, struct.pack("<I", 0x3FFFFFF0)),
        "random": (0, random.Random(1).randbytes(16) + struct.pack("<I", 144) + bytes(20)),
    }[content]
    with opened(make("new")) as page:
        path = page.path
        reading_ns, errors = tell(
            preloaded, probe, path, how, lambda: scribble(path, LOCK_AT + lock[0], lock[1])
        )
    if errors:
        assert "this is the host's clock" in errors
    elif content != "kind":
        assert 0 <= reading_ns - WALL_NS < 60 * NS_PER_S


def test_the_observer_is_told_of_a_damaged_page(make: Make) -> None:
    with opened(make("slewing")) as page:
        scribble(page.path, RING_AT, bytes(SLOTS * SLOT))
        with pytest.raises(OSError, match="Bad message"):
            page.status()
        with pytest.raises(OSError, match="Bad message"):
            page.step(NOW, 1)
        with pytest.raises(OSError, match="Bad message"):
            page.adjtimex(NOW, 0)


@pytest.mark.parametrize("by_ns", [2**63 - 1, 2**63 - 10**18])
def test_a_clock_is_not_moved_out_of_its_range(
    new_page: Callable[..., ClockPage], by_ns: int
) -> None:
    page = new_page(0, WALL_NS)
    with pytest.raises(OSError, match="Invalid argument"):
        page.step(0, by_ns)
    assert page.read(0) == WALL_NS
