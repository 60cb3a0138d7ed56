"""`ntplab-train` as processes, for its tests: nodes on loopback, asked through their sockets.

Nodes are always processes; what asks them is one only where that is the point, for most of a
test's time would otherwise be Python starting.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from train.control import ask
from train.main import main

TRAIN = Path(__file__).resolve().parents[2] / "images" / "train"
PROGRAM = TRAIN / "ntplab-train"
DEADLINE_S = 120

T = TypeVar("T")


def train(*words: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """The program, run to its end."""
    return subprocess.run(
        [sys.executable, str(PROGRAM), *map(str, words)],
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE_S,
        **options,
    )


def train_here(*words: str | Path) -> tuple[int, str, str]:
    """The same in this process: exit code, stdout and stderr. Not for what runs an event loop."""
    out, said = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(said):
        try:
            code = main(list(map(str, words)))
        except SystemExit as end:  # argparse ends the program itself
            code = int(end.code or 0)
    return code, out.getvalue(), said.getvalue()


def until(what: str, look: Callable[[], T | None]) -> T:
    """The first result that is not None or False; fails at a deadline that no machine needs."""
    deadline = time.monotonic() + DEADLINE_S
    while not (found := look()):
        assert time.monotonic() < deadline, what
        time.sleep(0.02)
    return found


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [held.getsockname()[1] for held in sockets]
    for held in sockets:
        held.close()
    return ports


class Ring:
    """Nodes in a ring over TCP, both ways; `names[0]` is the office."""

    def __init__(self, directory: Path, names: list[str]) -> None:
        self.directory = directory
        self.names = names
        self.processes: dict[str, subprocess.Popen[str]] = {}
        ports = dict(zip(names, free_ports(len(names)), strict=True))
        for at, name in enumerate(names):
            beside = {names[at - 1], names[(at + 1) % len(names)]}
            config = {
                "name": name,
                "office": names[0],
                "clients": names[1:] if at == 0 else [],
                "listen": "127.0.0.1",
                "port": ports[name],
                "neighbors": {n: {"host": "127.0.0.1", "port": ports[n]} for n in sorted(beside)},
                "settings": {"retry_ns": 50_000_000, "retry_max_ns": 200_000_000},
            }
            (directory / f"{name}.json").write_text(json.dumps(config))

    def start(self, *names: str) -> None:
        for name in names or self.names:
            with (self.directory / f"{name}.log").open("a") as log:
                self.processes[name] = subprocess.Popen(
                    [sys.executable, str(PROGRAM), "node", str(self.directory / f"{name}.json"),
                     "--state", str(self.directory / name)],
                    stdout=log, stderr=log, text=True,
                )  # fmt: skip
        for name in names or self.names:
            until(f"{name} answers", lambda name=name: self._answers(name))

    def tries(self, name: str, *words: str) -> tuple[int, str, str]:
        return train_here("ask", "--control", self.directory / name, "--json", *words)

    def ask(self, name: str, *words: str) -> Any:
        code, out, said = self.tries(name, *words)
        assert code == 0, said
        return json.loads(out or "null")

    def quickly(self, name: str, verb: str, **what: Any) -> Any:
        """The same without a process of its own."""
        return ask(self.directory / name / "control.sock", {"do": verb, **what})

    def _answers(self, name: str) -> bool:
        code = self.processes[name].poll()
        assert code is None, f"{name} ended with {code}"
        try:
            return bool(self.quickly(name, "status"))
        except (OSError, ValueError):
            return False

    def kill(self, name: str) -> None:
        self.processes[name].kill()
        self.processes[name].wait()

    def end(self) -> dict[str, int]:
        for process in self.processes.values():
            process.terminate()
        return {name: process.wait(DEADLINE_S) for name, process in self.processes.items()}

    def log(self, name: str) -> list[dict[str, Any]]:
        lines = (self.directory / f"{name}.log").read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def environment(**changes: str) -> dict[str, str]:
    return {**os.environ, **changes}
