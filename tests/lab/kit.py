"""The real command line against the real engine, as a user would type it: helpers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import docker
import testinfra
from testinfra.host import Host

REPO = Path(__file__).resolve().parents[2]
SCENARIOS = Path(__file__).parent / "scenarios"
COMMAND = [sys.executable, "-m", "ntplab"]
ENTER = "/usr/lib/ntplab/enter"

T = TypeVar("T")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(REPO / "orchestrator"), "NO_COLOR": "1"}


@dataclass(frozen=True)
class Cli:
    """`./ntplab`, run in a folder of its own."""

    cwd: Path

    def __call__(self, *argv: str, exit_code: int | None = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*COMMAND, *argv], cwd=self.cwd, env=environment(), capture_output=True, text=True
        )
        if exit_code is not None:
            assert done.returncode == exit_code, done.stdout + done.stderr
        return done

    def json(self, *argv: str, exit_code: int | None = 0) -> Any:
        return json.loads(self(*argv, "--json", exit_code=exit_code).stdout)

    def start(self, *argv: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *argv],
            cwd=self.cwd,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


@dataclass(frozen=True)
class StandingLab:
    """A lab that is up. `host(node)` is testinfra's view of a node.

    `scenario`: what `up` was given. `port`: where marseille is published.
    """

    name: str
    cli: Cli
    scenario: tuple[str, ...]
    port: int

    def host(self, node: str) -> Host:
        return testinfra.get_host(f"docker://ntplab-{self.name}-{node}")

    def __call__(self, *argv: str, exit_code: int | None = 0) -> str:
        done = self.cli(argv[0], "--lab", self.name, *argv[1:], exit_code=exit_code)
        return done.stdout + done.stderr

    def verb(self, verb: str, action: str, *argv: str) -> str:
        done = self.cli(verb, action, "--lab", self.name, *argv)
        return done.stdout + done.stderr

    def divergence_s(self, node: str) -> float:
        shown = self.cli.json("clock", "show", "--lab", self.name)
        return float(shown["nodes"][node]["divergence_ns"]) / 1e9

    def date_s(self, node: str) -> float:
        """What `date` says inside a node."""
        return float(self.host(node).check_output(f"{ENTER} date +%s.%N"))


def wait_for(what: str, look: Callable[[], T | None], timeout_s: float = 60) -> T:
    """The first answer of `look` that says something; fails at the deadline."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if answer := look():
            return answer
        time.sleep(0.1)
    raise AssertionError(f"{what}: not seen within {timeout_s:g} s")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def labelled(lab: str) -> list[str]:
    """Everything in the engine that carries a lab's label."""
    client = docker.from_env()
    try:
        filters = {"label": f"ntplab.lab={lab}"}
        return sorted(
            [
                *(c.name for c in client.containers.list(all=True, filters=filters)),
                *(n.name for n in client.networks.list(filters=filters)),
                *(v.name for v in client.volumes.list(filters=filters)),
            ]
        )
    finally:
        client.close()


def events(directory: Path) -> list[dict[str, Any]]:
    path = directory / "events.jsonl"
    if not path.exists():
        return []
    whole = [line for line in path.read_text().split("\n")[:-1] if line]
    return [json.loads(line) for line in whole]


def end(process: subprocess.Popen[str], number: signal.Signals) -> tuple[int, str]:
    """Send a signal to a process we started; its exit code and output."""
    process.send_signal(number)
    output, _ = process.communicate(timeout=120)
    return process.returncode, output
