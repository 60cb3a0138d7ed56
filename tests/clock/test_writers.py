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
from collections.abc import Callable, Iterator
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

Compile = Callable[..., Path]


@pytest.fixture(scope="module")
def writer(compile_c: Compile, build: Path) -> Path:
    return compile_c("writer", WRITER, f"-L{build}", f"-Wl,-rpath,{build}", "-lvclockmodel")


@pytest.fixture(scope="module")
def reader(compile_c: Compile, build: Path) -> Path:
    return compile_c("reader", READER, f"-L{build}", f"-Wl,-rpath,{build}", "-lvclockmodel")


@pytest.fixture
def page(new_page: Callable[..., ClockPage]) -> ClockPage:
    page = new_page(0, WALL_NS)
    page.step(NOW, 0)
    return page


@contextmanager
def running(program: Path, page: ClockPage, number: int) -> Iterator[list[subprocess.Popen[str]]]:
    with ExitStack() as stack:
        started = []
        for _ in range(number):
            process = subprocess.Popen([program, page.path], stdout=subprocess.PIPE, text=True)
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
        time.sleep(choice.uniform(0, 0.002))
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


def test_a_stopped_writer_stops_no_reader(page: ClockPage, writer: Path) -> None:
    with running(writer, page, 1) as (process,):
        for _ in range(20):
            wait_for_changes(page, 1)
            process.send_signal(signal.SIGSTOP)
            raw_ns = page.raw_now()
            assert (page.read(raw_ns) - raw_ns) % STEP_NS == 0
            process.send_signal(signal.SIGCONT)


def test_writers_wait_for_each_other(page: ClockPage, writer: Path) -> None:
    with running(writer, page, 3) as writers:
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
