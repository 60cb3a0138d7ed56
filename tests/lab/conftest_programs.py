"""A machine with the programs of programs/Dockerfile, its clock bent live: for test_programs*.py.

Tests talk to programs that keep running, a line in and a line out, so that what a program has
cached or computed ahead is found wrong after a step.
"""

from __future__ import annotations

import contextlib
import fcntl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread

import docker
import pytest

from ntplab.setup.images import proxies_of_this_process

from .conftest_images import ENTER, Bench, Machine, host_raw_ns, wait_until

IMAGE = "test-programs"
SOURCES = Path(__file__).with_name("programs")
ANSWER_WITHIN_S = 60.0
ENDED_WITHIN_S = 5.0
NS_PER_S = 10**9
START_NS = 1_696_161_600 * NS_PER_S
"""2023-10-01 12:00:00 UTC: nowhere near the host's date, so who shows it has it from the page."""
DAY_NS = 86_400 * NS_PER_S


class Talker:
    """A program that runs in a container and answers lines with lines."""

    def __init__(self, machine: Machine, *argv: str) -> None:
        self.argv = argv
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 (closed by __exit__)
        self._process = subprocess.Popen(
            ["docker", "exec", "-i", machine.docker_name, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
        )
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout
        for line in self._process.stdout:
            self._lines.put(line.strip())
        self._lines.put(None)

    def say(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self) -> str:
        """The next line that is not empty."""
        try:
            while (line := self._lines.get(timeout=ANSWER_WITHIN_S)) is not None:
                if line:
                    return line
        except Empty:
            pytest.fail(f"{self.argv}: no answer within {ANSWER_WITHIN_S:g} s")
        self._errors.seek(0)
        pytest.fail(f"{self.argv} ended: {self._errors.read()}")

    def has_answered(self) -> bool:
        """Whether there is a line that nobody has heard yet."""
        return not self._lines.empty()

    def ask(self, line: str) -> str:
        self.say(line)
        return self.hear()

    def __enter__(self) -> Talker:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        try:
            self._process.wait(timeout=ENDED_WITHIN_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._errors.close()


@dataclass(frozen=True)
class Host:
    """The machine with the programs, and its clock."""

    machine: Machine
    page: Talker

    def talk(self, *argv: str) -> Talker:
        """Start a program on the machine's clock."""
        return Talker(self.machine, ENTER, *argv)

    def start(self, *argv: str) -> None:
        """Start a server on the machine's clock; it lives as long as the machine."""
        self.machine.container.exec_run([ENTER, *argv], detach=True)

    def machine_talker(self, *argv: str) -> Talker:
        """Start a program beside the machine's clock, for a client of what runs on it."""
        return Talker(self.machine, *argv)

    def inside(self, *argv: str) -> str:
        return self.machine.inside(*argv)

    def wall_ns(self) -> int:
        return int(self.page.ask("read"))

    def set(self, wall_ns: int) -> None:
        self.page.ask(f"set {wall_ns}")

    def step(self, by_ns: int) -> None:
        self.page.ask(f"step {by_ns}")

    def drift(self, ppm: int) -> None:
        self.page.ask(f"drift {ppm}")

    def start_over(self) -> None:
        """The clock as it was in the beginning."""
        self.drift(0)
        self.set(START_NS)


def build_image() -> None:
    """Layers that are there already cost a second; who comes while another builds, waits."""
    client = docker.from_env()
    with open(SOURCES / "Dockerfile", "rb") as file, contextlib.closing(client):
        fcntl.flock(file, fcntl.LOCK_EX)
        client.images.build(
            path=str(SOURCES), tag=f"ntplab/{IMAGE}", rm=True, buildargs=proxies_of_this_process()
        )


@contextmanager
def programs_machine() -> Iterator[Host]:
    """The machine, with nothing running on it but PostgreSQL."""
    build_image()
    with Bench() as bench:
        clock = bench.clock("programs")
        clock.create(host_raw_ns(), START_NS)
        machine = bench.machine(
            IMAGE,
            "programs",
            clock=clock,
            env={"NTPLAB_UPTIME_S": "1000000", "NTPLAB_SERVICES_DOWN": "chronyd"},
            files={"/etc/ntplab/secrets/db_password": "secret"},
        )
        wait_until(
            "the machine's namespaces",
            lambda: machine.run("test", "-e", "/run/ntplab/timens")[0] == 0,
        )
        with Talker(machine, "python3", "/programs/page.py") as page:
            yield Host(machine, page)
