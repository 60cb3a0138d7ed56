"""The library and programs built with the compiler's sanitizers, which must find nothing.

The C compiler of the distribution brings them; a build that fails fails the test.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from clockpage import ClockPage
from test_robustness import SURVIVOR

from conftest import SOURCES

HERE = Path(__file__).parent
STRESS_MS = int(1_000 * float(os.environ.get("CLOCK_STRESS_S", "3")))
LIMIT_S = 300

# ThreadSanitizer does not see fences; what they order here is atomic in itself. Nor does it know
# pthread_mutex_clocklock(), so it takes unlocking after that for an error.
FLAGS = {
    "thread": ["-fsanitize=thread", "-Wno-tsan"],
    "address": ["-fsanitize=address"],
    "undefined": ["-fsanitize=undefined", "-fno-sanitize-recover=all"],
}
OPTIONS = {
    "TSAN_OPTIONS": "halt_on_error=1:die_after_fork=0:report_mutex_bugs=0",
    "ASAN_OPTIONS": "halt_on_error=1:detect_stack_use_after_return=1:detect_leaks=0",
    "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1",
}


@dataclass(frozen=True)
class Sanitized:
    """The library built with a sanitizer."""

    name: str
    directory: Path

    def compile(self, name: str, source: Path) -> Path:
        program = self.directory / name
        command = ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-g", *FLAGS[self.name]]
        run_checked([*command, "-o", str(program), str(source), "-lpthread", "-lrt"])
        return program

    def run(self, page: Path, program: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        preload = [str(self.directory / "libvclock.so")]
        if self.name == "address":  # wants to be the first of all
            preload.insert(0, run_checked(["cc", "-print-file-name=libasan.so"]).strip())
        env = {**os.environ, **OPTIONS, "LD_PRELOAD": ":".join(preload), "VCLOCK_PAGE": str(page)}
        return subprocess.run(
            [program, *arguments], env=env, capture_output=True, text=True, timeout=LIMIT_S
        )


def run_checked(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=list(FLAGS))
def sanitized(public_dir: Path, request: pytest.FixtureRequest) -> Sanitized:
    directory = public_dir / f"sanitized-{request.param}"
    flags = " ".join(FLAGS[request.param])
    run_checked(
        [
            *("make", "-C", str(SOURCES), f"B={directory}", "all"),
            f"CFLAGS=-O1 -g -fno-omit-frame-pointer -Wall -Werror {flags}",
            f"LDFLAGS={flags}",
        ]
    )
    return Sanitized(request.param, directory)


def test_nothing_is_found_in_reading_setting_and_waiting(
    sanitized: Sanitized, live_page: ClockPage
) -> None:
    program = sanitized.compile("stress", HERE / "stress.c")
    done = sanitized.run(live_page.path, program, str(STRESS_MS))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert live_page.status().seq > 100


@pytest.mark.parametrize("way", ["timerfd-cancel-poll", "timer", "cond-clock", "mq-send", "futex"])
def test_nothing_is_found_in_single_waits(
    sanitized: Sanitized, live_page: ClockPage, way: str
) -> None:
    program = sanitized.compile("waiter", HERE / "waiter.c")
    done = sanitized.run(live_page.path, program, way, "0.1")
    assert (done.returncode, done.stderr) == (0, "")


def test_a_race_would_be_found(public_dir: Path, live_page: ClockPage) -> None:
    """The way of running is able to fail."""
    source = public_dir / "racy.c"
    source.write_text(
        "#include <pthread.h>\nstatic int n; static void *f(void *a) { n++; return a; }\n"
        "int main(void) { pthread_t t; pthread_create(&t, 0, f, 0); n++;"
        " pthread_join(t, 0); return 0; }\n"
    )
    program = Sanitized("thread", public_dir).compile("racy", source)
    done = subprocess.run([program], env=os.environ | OPTIONS, capture_output=True, text=True)
    assert "data race" in done.stderr
    assert done.returncode != 0


# The other sanitizers handle SIGBUS themselves.
@pytest.mark.parametrize("sanitized", ["undefined"], indirect=True)
def test_a_page_that_is_cut_off_is_survived_under_ubsan(
    sanitized: Sanitized, live_page: ClockPage, public_dir: Path
) -> None:
    source = public_dir / "survivor-sanitized.c"
    source.write_text(SURVIVOR)
    copy = public_dir / "cut-off-sanitized"
    copy.write_bytes(live_page.path.read_bytes())
    done = sanitized.run(copy, sanitized.compile("survivor", source), str(copy))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1
