"""A scenario started from the page: `./ntplab run`, as a process of its own.

So it is stopped as Ctrl-C would stop it, cleans up after itself, and outlives no page.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from ..errors import LabError
from ..paths import REPO_DIR

LAST_WORDS = 12


class Job:
    """One `./ntplab run`. `on_end` is told its exit code and last words, once."""

    def __init__(self, scenario: Path, out: Path, on_end: Callable[[int, list[str]], None]) -> None:
        self.out, self.scenario = out, scenario
        self._on_end = on_end
        self.last_words: list[str] = []
        environment = {**os.environ, "PYTHONPATH": str(REPO_DIR / "orchestrator"), "NO_COLOR": "1"}
        command = [sys.executable, "-P", "-m", "ntplab", "run", str(scenario), "--out", str(out)]
        try:
            self._process = subprocess.Popen(
                command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE, text=True, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise LabError(f"the run could not be started: {error.strerror}") from error
        threading.Thread(target=self._listen, name="ui-job", daemon=True).start()

    @property
    def running(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        """As Ctrl-C does; returns at once, the end is told to `on_end`."""
        if self.running:
            self._process.send_signal(signal.SIGINT)

    def wait(self, timeout_s: float) -> None:
        self._process.wait(timeout_s)

    def _listen(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.last_words = [*self.last_words, line.rstrip()][-LAST_WORDS:]
        self._on_end(self._process.wait(), self.last_words)
