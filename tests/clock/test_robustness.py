"""Pages that are damaged or taken away, and a storm of writers.

The storm lasts CLOCK_STORM_S seconds, 5 by default.
"""

from __future__ import annotations

import os
import random
import signal
import struct
import subprocess
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from clockpage import NOW, NS_PER_S, ClockPage

from conftest import Preloaded

STORM_S = float(os.environ.get("CLOCK_STORM_S", "5"))
READERS, WRITERS = 8, 4
SEED = 20_261_122
LIMIT_S = 60

# The longest that a reading may keep a processor busy: whoever spins takes longer.
MAX_READING_NS = 20_000_000

Compile = Callable[..., Path]


# Steps only forward and by whole seconds, at rate one: a true reading is the raw instant plus whole
# seconds, and none is earlier than the one before.
STORM_WRITER = """
#include <stdio.h>
#include <sys/timex.h>
#include <time.h>

int
main(void)
{
  struct timex tx = {.modes = ADJ_SETOFFSET, .time = {.tv_sec = 1}};

  puts("writing");
  fflush(stdout);
  while (clock_adjtime(CLOCK_REALTIME, &tx) >= 0)
    tx.modes = ADJ_SETOFFSET, tx.time.tv_sec = 1, tx.time.tv_usec = 0;
  return 1;
}
"""

STORM_READER = """
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

static volatile sig_atomic_t stop;

static void
end(int number)
{
  stop = number;
}

static int64_t
tell(clockid_t id)
{
  struct timespec ts;

  clock_gettime(id, &ts);
  return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

int
main(void)
{
  int64_t before, after, wall, last = 0, cpu, longest = 0;
  long long reads = 0, torn = 0, back = 0;

  signal(SIGTERM, end);
  puts("reading");
  fflush(stdout);
  while (!stop) {
    cpu = tell(CLOCK_THREAD_CPUTIME_ID);
    before = tell(CLOCK_MONOTONIC_RAW);
    wall = tell(CLOCK_REALTIME);
    after = tell(CLOCK_MONOTONIC_RAW);
    cpu = tell(CLOCK_THREAD_CPUTIME_ID) - cpu;

    torn += (wall - before) % 1000000000LL > after - before;
    back += wall < last;
    longest = cpu > longest ? cpu : longest;
    last = wall;
    reads++;
  }
  printf("%lld %lld %lld %lld\\n", reads, torn, back, (long long)longest);
  return 0;
}
"""


def begin(stack: ExitStack, program: Path, preloaded: Preloaded) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [program], env=preloaded.environment(), stdout=subprocess.PIPE, text=True
    )
    stack.enter_context(process)
    stack.callback(process.kill)
    assert process.stdout
    assert process.stdout.readline()
    return process


def test_a_storm_of_writers_that_are_killed(
    compile_c: Compile, build: Path, new_page: Callable[..., ClockPage]
) -> None:
    page = new_page(0, 0)
    page.step(NOW, 10**9 * NS_PER_S)
    preloaded = Preloaded(build / "libvclock.so", page.path)
    reader = compile_c("storm_reader", STORM_READER)
    writer = compile_c("storm_writer", STORM_WRITER)
    choice, killed = random.Random(SEED), 0
    with ExitStack() as stack:
        readers = [begin(stack, reader, preloaded) for _ in range(READERS)]
        writers = [begin(stack, writer, preloaded) for _ in range(WRITERS)]
        end = time.monotonic() + STORM_S
        while time.monotonic() < end:
            time.sleep(choice.uniform(0, 0.02))  # any instant will do to be killed at
            victim = choice.randrange(WRITERS)
            assert writers[victim].poll() is None
            writers[victim].kill()
            writers[victim].wait()
            writers[victim] = begin(stack, writer, preloaded)
            killed += 1
        for process in readers:
            process.terminate()
            output = process.communicate(timeout=LIMIT_S)[0]
            reads, torn, back, longest_ns = map(int, output.split())
            assert (torn, back) == (0, 0), f"of {reads} readings"
            assert reads > 1_000
            assert longest_ns < MAX_READING_NS
    assert killed > 10
    assert page.status().seq > 1_000


def damage(kind: str, whole: bytes) -> bytes:
    """What is left of a page."""
    if kind == "random":
        return random.Random(SEED).randbytes(len(whole))
    return {
        "empty": b"",
        "a word": whole[:8],
        "header only": whole[:192],
        "a byte short": whole[:-1],
        "text": b"not a clock page\n" * 2_000,
        "zeros": bytes(len(whole)),
        "older version": whole[:8] + struct.pack("<I", 1) + whole[12:],
        "newer version": whole[:8] + struct.pack("<I", 999) + whole[12:],
        "another size": whole[:12] + struct.pack("<I", 64) + whole[16:],
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        *("empty", "a word", "header only", "a byte short", "text", "zeros", "random"),
        *("older version", "newer version", "another size"),
    ],
)
def test_with_a_damaged_page_programs_see_the_hosts_clock_and_say_so(
    preloaded: Preloaded, live_page: ClockPage, public_dir: Path, kind: str
) -> None:
    path = public_dir / f"damaged-{kind.replace(' ', '-')}"
    path.write_bytes(damage(kind, live_page.path.read_bytes()))
    preloaded.page_path = path
    before_ns = time.time_ns()
    done = preloaded.run("date", "+%s%N")
    assert done.returncode == 0
    assert before_ns <= int(done.stdout) <= time.time_ns()
    version = kind.endswith(("version", "size"))
    why = "clock page of another version" if version else "not a clock page"
    assert done.stderr.startswith(f"libvclock: {path}: {why}")
    assert done.stderr.endswith("this is the host's clock\n")
    assert done.stderr.count("\n") == 1


# Reads in two threads, and in a third sets the clock or waits, until the page is gone.
SURVIVOR = """
#include <pthread.h>
#include <stdio.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

static volatile int lost;

static void *
read_on(void *arg)
{
  struct timespec ts;

  while (!lost) {
    clock_gettime(CLOCK_REALTIME, &ts);
    clock_gettime(CLOCK_TAI, &ts);
  }
  return arg;
}

static void *
set_on(void *arg)
{
  struct timex tx;

  while (!lost) {
    tx.modes = ADJ_ESTERROR;
    tx.esterror = 1;
    adjtimex(&tx);
  }
  return arg;
}

static void *
wait_on(void *arg)
{
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
  struct timespec ts;

  while (!lost) {
    clock_gettime(CLOCK_REALTIME, &ts);
    ts.tv_nsec = (ts.tv_nsec + 2000000) % 1000000000;
    clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &ts, NULL);
    pthread_mutex_lock(&mutex);
    pthread_cond_timedwait(&cond, &mutex, &ts);
    pthread_mutex_unlock(&mutex);
  }
  return arg;
}

int
main(int argc, char **argv)
{
  pthread_t threads[4];
  struct timespec ts;
  int i;

  pthread_create(&threads[0], NULL, read_on, NULL);
  pthread_create(&threads[1], NULL, read_on, NULL);
  pthread_create(&threads[2], NULL, set_on, NULL);
  pthread_create(&threads[3], NULL, wait_on, NULL);
  /* Before and after: whatever the threads are at by then */
  usleep(20000);
  if (truncate(argv[argc - 1], 0) < 0)
    return 2;
  usleep(20000);
  lost = 1;
  for (i = 0; i < 4; i++)
    pthread_join(threads[i], NULL);
  clock_gettime(CLOCK_REALTIME, &ts);
  printf("%lld%09ld\\n", (long long)ts.tv_sec, ts.tv_nsec);
  return 0;
}
"""


@pytest.mark.parametrize("attempt", range(5))
def test_a_page_that_is_cut_off_leaves_the_hosts_clock(
    preloaded: Preloaded, live_page: ClockPage, compile_c: Compile, attempt: int
) -> None:
    survivor = compile_c("survivor", SURVIVOR, "-lpthread")
    copy = live_page.path.with_name("cut-off")
    copy.write_bytes(live_page.path.read_bytes())
    preloaded.page_path = copy
    before_ns = time.time_ns()
    done = preloaded.run(survivor, copy)
    assert done.returncode == 0, (attempt, done)
    assert before_ns <= int(done.stdout) <= time.time_ns()
    assert done.stderr == "libvclock: the clock page is gone, this is the host's clock now\n"


def test_other_faults_of_that_kind_still_end_the_program(
    preloaded: Preloaded, public_dir: Path
) -> None:
    file = public_dir / "cut"
    file.write_bytes(bytes(4096))
    source = (
        "import mmap, os\n"
        f"f = open({str(file)!r}, 'r+b'); m = mmap.mmap(f.fileno(), 4096); f.truncate(0); m[0]\n"
    )
    assert preloaded.run("/usr/bin/env", "python3", "-c", source).returncode == -signal.SIGBUS
    source = "import os, signal; os.kill(os.getpid(), signal.SIGBUS)"
    assert preloaded.run("/usr/bin/env", "python3", "-c", source).returncode == -signal.SIGBUS
