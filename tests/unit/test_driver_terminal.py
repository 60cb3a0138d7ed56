"""The size of the window of an interactive command."""

from __future__ import annotations

import os
import queue
import signal

import pytest

from ntplab.driver import terminal

WITHIN_S = 30.0


class Engine:
    """Keeps the sizes it is told, the first `failures` of them after an error."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.told: queue.SimpleQueue[tuple[int, int]] = queue.SimpleQueue()

    def resize(self, rows: int, columns: int) -> None:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("the Engine is busy")
        self.told.put((rows, columns))


@pytest.mark.parametrize("failures", [0, 2])
@pytest.mark.parametrize("signaled", [True, False])
def test_every_size_of_the_window_is_told_until_the_engine_takes_it(
    monkeypatch: pytest.MonkeyPatch, failures: int, signaled: bool
) -> None:
    size = os.terminal_size((97, 31))
    monkeypatch.setattr("shutil.get_terminal_size", lambda: size)
    before = signal.getsignal(signal.SIGWINCH)
    engine = Engine(failures)
    with terminal.following_size(engine.resize):
        assert engine.told.get(timeout=WITHIN_S) == (31, 97)
        size = os.terminal_size((123, 40))
        engine.failures = failures
        if signaled:
            os.kill(os.getpid(), signal.SIGWINCH)
        assert engine.told.get(timeout=WITHIN_S) == (40, 123)
    assert signal.getsignal(signal.SIGWINCH) == before
