"""Writers killed at random moments: readers see whole sets, and the next writer gets the lock.

The clock of these tests runs at rate one and is only ever stepped by whole multiples of STEP_NS, so
every true reading minus its raw instant is a multiple of STEP_NS; half an update would not be.
"""

from __future__ import annotations

import random
import signal
import struct
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from clockpage import NOW, NS_PER_S, ClockPage

STEP_NS = 10**15
WALL_NS = 1_000 * STEP_NS
KILLED_HOLDING_THE_LOCK = 10
LIMIT_S = 120
SEED = 20_261_122

# struct page in page.h: the futex of the writer lock, and what the kernel marks in it when it
# finds that its owner has died (FUTEX_OWNER_DIED, FUTEX_TID_MASK).
LOCK_AT = 128
OWNER_DIED = 0x40000000
OWNER = 0x3FFFFFFF

WRITER = f"""
#include "vclock.h"

int main(int argc, char **argv)
{{
  struct vclock *c = vclock_page_open(argv[argc - 1], 1);
  int i;

  for (i = 0; c; i++) {{
    if (vclock_step(c, -1, i % 2 ? -{STEP_NS}LL : {STEP_NS}LL) < 0)
      return 1;
  }}
  return 2;
}}
"""

READER = f"""
#include <signal.h>
#include <stdio.h>
#include "vclock.h"

static volatile sig_atomic_t stop;

static void end(int number)
{{
  stop = number;
}}

int main(int argc, char **argv)
{{
  struct vclock *c = vclock_page_open(argv[argc - 1], 0);
  long long reads = 0, torn = 0;

  if (!c)
    return 1;
  signal(SIGTERM, end);
  while (!stop) {{
    int64_t raw = vclock_raw_now(), ago = reads % 3 ? 0 : 20000;
    torn += (vclock_read(c, raw - ago) - raw + ago) % {STEP_NS}LL != 0;
    reads++;
  }}
  printf("%lld %lld\\n", reads, torn);
  return 0;
}}
"""

# Runs one change instruction by instruction, again and again: the first time it is killed before
# its first instruction, then before its second, and so on until it comes to its end; only where the
# page has not changed for a while and will not for another, in the middle of arithmetic, deaths are
# left out. After every instruction a reader must see a whole set, after every death a writer must
# get the lock. Prints how many instructions a change has, how many of them changed the page, and
# how many it died at.
STEPPER = f"""
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>
#include "vclock.h"

#define MAX 100000
#define NEAR 30
#define SIZE 16576

static struct vclock *c;
static char is_near[MAX];

static void
fail(const char *what, int at)
{{
  fprintf(stderr, "%s at instruction %d\\n", what, at);
  _exit(1);
}}

static void
check(int at)
{{
  int64_t raw = vclock_raw_now();

  if ((vclock_read(c, raw) - raw) % {STEP_NS}LL)
    fail("torn reading", at);
}}

static int
start(void)
{{
  int64_t raw = vclock_raw_now();
  int pid = fork();

  if (pid == 0) {{
    ptrace(PTRACE_TRACEME, 0, 0, 0);
    kill(getpid(), SIGSTOP);
    vclock_step(c, raw, {STEP_NS}LL);
    _exit(0);
  }}
  return pid;
}}

/* To where the change has blocked its signals, its first system call, and has nothing done yet */
static void
skip_to_change(int pid)
{{
  int i;

  for (i = 0; i < 2; i++) {{
    waitpid(pid, NULL, 0);
    ptrace(PTRACE_SYSCALL, pid, 0, 0);
  }}
}}

/* A whole change: which instructions are near one that changes the page; how many do */
static int
survey(const char *path)
{{
  char *page = mmap(NULL, SIZE, PROT_READ, MAP_SHARED, open(path, O_RDONLY), 0);
  static char before[SIZE];
  int changes = 0, i, pid = start(), status;

  skip_to_change(pid);
  memcpy(before, page, SIZE);
  for (i = 0; waitpid(pid, &status, 0) == pid && WIFSTOPPED(status) && i < MAX - NEAR; i++) {{
    if (memcmp(before, page, SIZE) != 0) {{
      memset(is_near + (i < NEAR ? 0 : i - NEAR), 1, 2 * NEAR);
      memcpy(before, page, SIZE);
      changes++;
    }}
    ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
  }}
  return changes;
}}

int
main(int argc, char **argv)
{{
  int changes, deaths = 0, end = 0, i, last, pid, status;

  c = vclock_page_open(argv[argc - 1], 1);
  changes = survey(argv[argc - 1]);
  for (last = 0; !end; last++) {{
    if (!is_near[last] && last % NEAR)
      continue;
    deaths++;
    alarm(60);
    pid = start();
    skip_to_change(pid);
    waitpid(pid, &status, 0);
    for (i = 0; i < last && WIFSTOPPED(status); i++) {{
      ptrace(PTRACE_SINGLESTEP, pid, 0, 0);
      waitpid(pid, &status, 0);
      if (i == last - 1)
        check(i);
    }}
    end = !WIFSTOPPED(status);
    kill(pid, SIGKILL);
    if (!end)
      waitpid(pid, &status, 0);
    check(last);
    if (vclock_step(c, vclock_raw_now(), {STEP_NS}LL) < 0)
      fail("no change after a death", last);
    check(last);
  }}
  printf("%d %d %d\\n", last, changes, deaths);
  return 0;
}}
"""

# Changes the clock, and is interrupted by a signal handler that changes it too.
INTERRUPTED = f"""
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>
#include "vclock.h"

static struct vclock *c;
static volatile sig_atomic_t interruptions;

static void
interrupt(int number)
{{
  vclock_step(c, -1, {STEP_NS}LL);
  interruptions += number == SIGVTALRM;
}}

int
main(int argc, char **argv)
{{
  const struct itimerval often = {{{{0, 100}}, {{0, 100}}}};

  c = vclock_page_open(argv[argc - 1], 1);
  signal(SIGVTALRM, interrupt);
  alarm(60);
  setitimer(ITIMER_VIRTUAL, &often, NULL);
  while (interruptions < 200)
    vclock_step(c, -1, -{STEP_NS}LL);
  return 0;
}}
"""

Compile = Callable[..., Path]


Link = Callable[[str, str], Path]


@pytest.fixture(scope="module")
def link(compile_c: Compile, build: Path) -> Link:
    """Compiles a program against libvclockmodel.so."""
    return lambda name, source: compile_c(
        name, source, f"-L{build}", f"-Wl,-z,now,-rpath,{build}", "-lvclockmodel"
    )


@pytest.fixture(scope="module")
def writer(link: Link) -> Path:
    return link("writer", WRITER)


@pytest.fixture(scope="module")
def reader(link: Link) -> Path:
    return link("reader", READER)


@pytest.fixture
def page(new_page: Callable[..., ClockPage]) -> ClockPage:
    page = new_page(0, WALL_NS)
    page.step(NOW, 0)
    return page


@contextmanager
def running(
    program: Path, page: ClockPage, number: int, enter: Sequence[str] = ()
) -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        started = []
        for _ in range(number):
            command = [*enter, str(program), str(page.path)]
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            stack.enter_context(process)
            stack.callback(process.kill)
            started.append(process)
        yield started


def wait_for_changes(page: ClockPage, number: int) -> None:
    seq = page.status().seq + number
    deadline = time.monotonic() + LIMIT_S
    while page.status().seq < seq:
        assert time.monotonic() < deadline, f"no {number} changes in {LIMIT_S} s"
        time.sleep(0.001)


def lock_word(page: ClockPage) -> int:
    with page.path.open("rb") as file:
        file.seek(LOCK_AT)
        (word,) = struct.unpack("<I", file.read(4))
    return int(word)


def kill_while_writing(writer: Path, page: ClockPage, choice: random.Random) -> bool:
    """Kill one of two writers; whether it died with the lock in its hands."""
    with running(writer, page, 2) as writers:
        wait_for_changes(page, 100)
        time.sleep(choice.uniform(0, 0.002))  # any instant of a change
        for process in writers:
            process.send_signal(signal.SIGSTOP)
        # Both stand still, so what the lock says holds: the owner is killed, then the other one.
        for process in sorted(writers, key=lambda p: p.pid != lock_word(page) & OWNER):
            process.kill()
            process.wait()
    return bool(lock_word(page) & OWNER_DIED)


def test_killed_writers_leave_a_page_that_can_be_read_and_written(
    page: ClockPage, writer: Path, reader: Path
) -> None:
    choice = random.Random(SEED)
    died_in_update = 0
    with running(reader, page, 2) as readers:
        deadline = time.monotonic() + LIMIT_S
        while died_in_update < KILLED_HOLDING_THE_LOCK:
            assert time.monotonic() < deadline, f"only {died_in_update} died within an update"
            died_in_update += kill_while_writing(writer, page, choice)
            # Written again by us, after whatever was left behind.
            seq = page.status().seq
            page.step(NOW, STEP_NS)
            page.step(NOW, -STEP_NS)
            assert page.status().seq == seq + 2
        for process in readers:
            process.terminate()
            reads, torn = map(int, process.communicate()[0].split())
            assert reads > 1_000
            assert torn == 0


def test_a_writer_may_die_at_any_instruction(page: ClockPage, link: Link) -> None:
    done = subprocess.run([link("stepper", STEPPER), page.path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    # It was stepped through whole: the lock, the copy of a set and its publication.
    instructions, changes, deaths = map(int, done.stdout.split())
    assert instructions > 200
    assert changes > 10
    assert deaths > 2 * changes
    print(f"{instructions} instructions, {changes} change the page, died at {deaths}")


def test_a_signal_handler_may_change_the_clock(page: ClockPage, link: Link) -> None:
    done = subprocess.run([link("interrupted", INTERRUPTED), page.path])
    assert done.returncode == 0


def test_a_stopped_writer_stops_no_reader(page: ClockPage, writer: Path) -> None:
    with running(writer, page, 1) as (process,):
        for _ in range(20):
            wait_for_changes(page, 1)
            process.send_signal(signal.SIGSTOP)
            raw_ns = page.raw_now()
            assert (page.read(raw_ns) - raw_ns) % STEP_NS == 0
            process.send_signal(signal.SIGCONT)


# Every container numbers its processes from one, and the lock knows its owner by number.
NAMESAKES = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")


@pytest.mark.parametrize("enter", [(), NAMESAKES], ids=["one system", "containers"])
def test_writers_wait_for_each_other(page: ClockPage, writer: Path, enter: tuple[str, ...]) -> None:
    if enter and subprocess.run([*enter, "true"], capture_output=True).returncode != 0:
        pytest.skip("this host allows no process namespaces")
    with running(writer, page, 3, enter) as writers:
        wait_for_changes(page, 10_000)
        assert [process.poll() for process in writers] == [None] * 3
    # Every step came into force once: the sum of an odd and an even number of steps of each.
    status = page.status()
    offset_ns = page.read(status.last_set_raw) - status.last_set_raw - WALL_NS
    assert offset_ns % STEP_NS == 0
    assert 0 <= offset_ns // STEP_NS <= 3


def test_a_page_open_for_reading_only_cannot_be_written(
    page: ClockPage,
) -> None:
    read_only = ClockPage(page.library, page.path, writable=False)
    try:
        with pytest.raises(OSError, match="not permitted"):
            read_only.step(NOW, NS_PER_S)
        raw_ns = page.raw_now()
        assert read_only.read(raw_ns) == page.read(raw_ns)
    finally:
        read_only.close()


def test_a_page_is_public_to_read_and_private_to_set(page: ClockPage) -> None:
    assert page.path.stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "Bad message"),
        (b"short", "Bad message"),
        (b"\\0" * 20_000, "Bad message"),
        (None, "Protocol not supported"),
    ],
    ids=["empty", "short", "foreign", "version"],
)
def test_what_is_not_a_clock_page_is_not_opened(
    page: ClockPage, tmp_path: Path, content: bytes | None, error: str
) -> None:
    if content is None:
        whole = page.path.read_bytes()
        content = whole[:8] + struct.pack("<I", 99) + whole[12:]
    path = tmp_path / "page"
    path.write_bytes(content)
    with pytest.raises(OSError, match=error):
        ClockPage(page.library, path)


def test_a_page_that_cannot_be_made_leaves_nothing_behind(page: ClockPage, tmp_path: Path) -> None:
    target = tmp_path / "page"
    target.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        ClockPage.create(page.library, target, 0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["page"]
