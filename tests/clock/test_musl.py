"""The library built for musl, under programs of musl: one clock, shared with those of glibc."""

from __future__ import annotations

import errno
import json
import random
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from clockpage import ADJ_TAI, NOW, NS_PER_S, ClockPage
from test_robustness import MAX_READING_NS, STORM_READER, STORM_WRITER, SURVIVOR, begin

from conftest import SOURCES, Preloaded

SEED = 20_261_122
STORM_S = 4.0
WAITER = Path(__file__).with_name("waiter.c")

TELL = """
#include <stdio.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timeb.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static void
tell(const char *name, long long unit, long long s, long long fraction)
{
  printf("%s %lld %lld\\n", name, unit, s * 1000000000LL + fraction * unit);
}

int
main(void)
{
  struct timespec ts;
  struct timeval tv;
  struct timex tx = {.modes = 0};

  clock_gettime(CLOCK_REALTIME, &ts);
  tell("clock_gettime", 1, ts.tv_sec, ts.tv_nsec);
  clock_gettime(CLOCK_REALTIME_COARSE, &ts);
  tell("coarse", 1, ts.tv_sec, ts.tv_nsec);
  clock_gettime(CLOCK_TAI, &ts);
  tell("tai", 1, ts.tv_sec - 37, ts.tv_nsec);
  timespec_get(&ts, TIME_UTC);
  tell("timespec_get", 1, ts.tv_sec, ts.tv_nsec);
  gettimeofday(&tv, NULL);
  tell("gettimeofday", 1000, tv.tv_sec, tv.tv_usec);
  tell("time", 1000000000LL, time(NULL), 0);
  adjtimex(&tx);
  tell("adjtimex", 1000, tx.time.tv_sec, tx.time.tv_usec);
  tx.modes = 0;
  clock_adjtime(CLOCK_REALTIME, &tx);
  tell("clock_adjtime", 1000, tx.time.tv_sec, tx.time.tv_usec);
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &ts);
  tell("syscall", 1, ts.tv_sec, ts.tv_nsec);
  return 0;
}
"""

SET = """
#include <stdio.h>
#include <sys/timex.h>
#include <time.h>

int
main(void)
{
  struct timespec ts = {1600000000, 0};
  struct timex tx = {.modes = ADJ_FREQUENCY, .freq = 6553600};

  if (clock_settime(CLOCK_REALTIME, &ts) < 0 || clock_adjtime(CLOCK_REALTIME, &tx) < 0)
    return 1;
  return 0;
}
"""


@pytest.fixture(scope="module")
def musl(build: Path) -> Path:
    """The directory of the library built for musl."""
    command = ["make", "-C", str(SOURCES), f"B={build}", "musl"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return build / "musl"


@pytest.fixture(scope="module")
def compile_musl(musl: Path) -> Callable[[str, str], Path]:
    def make(name: str, source: str) -> Path:
        program, file = musl / name, musl / f"{name}.c"
        file.write_text(source)
        command = ["musl-gcc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-I", str(SOURCES)]
        done = subprocess.run(
            [*command, "-o", str(program), str(file)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return program

    return make


@pytest.fixture
def preloaded_musl(musl: Path, live_page: ClockPage) -> Preloaded:
    return Preloaded(musl / "libvclock.so", live_page.path)


CompileMusl = Callable[[str, str], Path]


def test_a_program_of_musl_reads_the_page(
    preloaded_musl: Preloaded, live_page: ClockPage, compile_musl: CompileMusl
) -> None:
    program = compile_musl("tell", TELL)
    live_page.adjtimex(NOW, ADJ_TAI, constant=37)
    before_ns = live_page.read_now()
    done = preloaded_musl.run(program)
    after_ns = live_page.read_now()
    assert done.returncode == 0, done.stderr
    told = [line.split() for line in done.stdout.splitlines()]
    assert len(told) == 9
    for name, unit_ns, ns in told:
        assert before_ns // int(unit_ns) * int(unit_ns) <= int(ns) <= after_ns, name


def test_without_a_page_it_reads_the_hosts_clock(
    preloaded_musl: Preloaded, compile_musl: CompileMusl
) -> None:
    preloaded_musl.page_path = None
    done = preloaded_musl.run(compile_musl("tell", TELL))
    ns = int(done.stdout.split()[2])
    assert 0 <= time.time_ns() - ns < 60 * NS_PER_S


def test_a_program_of_musl_sets_the_page(
    preloaded_musl: Preloaded, live_page: ClockPage, compile_musl: CompileMusl
) -> None:
    done = preloaded_musl.run(compile_musl("set", SET))
    assert done.returncode == 0, done.stderr
    assert 0 <= live_page.read_now() - 1_600_000_000 * NS_PER_S < 60 * NS_PER_S
    assert live_page.adjtimex(NOW)[1].freq == 6_553_600


@pytest.mark.parametrize(
    "way",
    [
        *("nanosleep", "nanosleep-tai", "timerfd", "timerfd-poll", "timer", "cond", "cnd"),
        *("mutex", "mtx", "rdlock", "wrlock", "sem", "mq-receive", "mq-send", "futex"),
        *("timerfd-cancel", "cond-mono", "nanosleep-mono"),
    ],
)
def test_a_program_of_musl_waits_by_the_page(
    preloaded_musl: Preloaded, live_page: ClockPage, compile_musl: CompileMusl, way: str
) -> None:
    program = compile_musl("waiter", WAITER.read_text())
    live_page.set_drift(NOW, 100_000)
    seconds = 0.22
    done = preloaded_musl.run(program, way, str(seconds))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[1])
    assert found["result"] in (0, errno.ETIMEDOUT)
    least_s = seconds if way.endswith("-mono") else seconds / 1.1
    lasted_s = (found["raw"][1] - found["raw"][0]) / NS_PER_S
    assert least_s * 0.999 <= lasted_s < least_s + 2


def test_a_cut_off_page_leaves_a_program_of_musl_the_hosts_clock(
    preloaded_musl: Preloaded, live_page: ClockPage, compile_musl: CompileMusl
) -> None:
    copy = live_page.path.with_name("cut-off-musl")
    copy.write_bytes(live_page.path.read_bytes())
    preloaded_musl.page_path = copy
    before_ns = time.time_ns()
    done = preloaded_musl.run(compile_musl("survivor", SURVIVOR), copy)
    assert done.returncode == 0, done.stderr
    assert before_ns <= int(done.stdout) <= time.time_ns()


def test_writers_of_both_libraries_that_are_killed_share_a_page(
    musl: Path,
    build: Path,
    compile_c: Callable[..., Path],
    compile_musl: CompileMusl,
    new_page: Callable[..., ClockPage],
) -> None:
    """Whichever dies with the lock in its hands, the others go on."""
    page = new_page(0, 0)
    page.step(NOW, 10**9 * NS_PER_S)
    glibc_preload = Preloaded(build / "libvclock.so", page.path)
    musl_preload = Preloaded(musl / "libvclock.so", page.path)
    kinds = [
        (compile_c("mixed_writer", STORM_WRITER), glibc_preload),
        (compile_musl("mixed_writer", STORM_WRITER), musl_preload),
    ] * 2
    reader = compile_musl("mixed_reader", STORM_READER)
    choice = random.Random(SEED)
    with ExitStack() as stack:
        readers = [begin(stack, reader, musl_preload) for _ in range(2)]
        writers = [begin(stack, *kind) for kind in kinds]
        end = time.monotonic() + STORM_S
        while time.monotonic() < end:
            time.sleep(choice.uniform(0, 0.01))  # any instant will do to be killed at
            victim = choice.randrange(len(writers))
            assert writers[victim].poll() is None
            writers[victim].kill()
            writers[victim].wait()
            seq = page.status().seq
            page.step(NOW, 0)
            assert page.status().seq > seq
            writers[victim] = begin(stack, *kinds[victim])
        for process in readers:
            process.terminate()
            _, torn, back, longest_ns = map(int, process.communicate(timeout=60)[0].split())
            assert (torn, back) == (0, 0)
            assert longest_ns < MAX_READING_NS


def test_writers_of_both_libraries_lose_no_change(
    preloaded: Preloaded,
    preloaded_musl: Preloaded,
    live_page: ClockPage,
    compile_c: Callable[..., Path],
    compile_musl: CompileMusl,
) -> None:
    """Each steps by a second, a thousand times."""
    source = STORM_WRITER.replace("while (clock", "for (int i = 0; i < 1000; i++) if (clock")
    source = source.replace(">= 0)", "< 0) return 1; else").replace("return 1;\n}", "return 0;\n}")
    programs = [
        (compile_c("count", source), preloaded),
        (compile_musl("count", source), preloaded_musl),
    ]
    offset_ns = live_page.read_now() - live_page.raw_now()
    started = [
        subprocess.Popen([program], env=preload.environment(), stdout=subprocess.DEVNULL)
        for program, preload in programs * 2
    ]
    assert [process.wait(60) for process in started] == [0] * 4
    stepped_ns = live_page.read_now() - live_page.raw_now() - offset_ns
    assert round(stepped_ns / NS_PER_S) == 4_000
