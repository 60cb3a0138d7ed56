"""Joins this process's terminal, or its pipes, to a command in a container.

Used by `docker.py` for `ntplab exec`.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import sys
import termios
import threading
import tty
from collections.abc import Callable, Iterator
from types import FrameType

from .exec_stream import STDERR, ExecStream

Resize = Callable[[int, int], None]
"""Told (rows, columns)."""

_CHUNK_BYTES = 65536


def stdin_fd() -> int | None:
    """The descriptor of standard input, None when there is none."""
    try:
        return sys.stdin.fileno()
    except (AttributeError, OSError, ValueError):
        return None


def is_terminal() -> bool:
    """Whether a person sits at both ends: only then the command gets a tty."""
    return _is_tty(stdin_fd()) and sys.stdout.isatty()


def input_fd() -> int | None:
    """Where the command's input comes from; a terminal alone feeds only a tty."""
    fd = stdin_fd()
    return None if _is_tty(fd) and not is_terminal() else fd


def _is_tty(fd: int | None) -> bool:
    return fd is not None and os.isatty(fd)


def join(stream: ExecStream, source: int | None, *, with_tty: bool, resize: Resize) -> None:
    """Pass bytes both ways until the command closes its output."""
    with contextlib.ExitStack() as stack:
        if with_tty and source is not None:
            stack.enter_context(_raw(source))
            stack.enter_context(_following_size(source, resize))
        stack.enter_context(_pumping(stream, source))
        _copy_output(stream, with_tty)


def _copy_output(stream: ExecStream, with_tty: bool) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    frames = ((0, chunk) for chunk in stream.chunks()) if with_tty else stream.frames()
    for kind, data in frames:
        target = sys.stderr if kind == STDERR else sys.stdout
        target.buffer.write(data)
        target.buffer.flush()


@contextlib.contextmanager
def _raw(fd: int) -> Iterator[None]:
    """Keys go to the command one by one, Ctrl-C included."""
    before = termios.tcgetattr(fd)
    tty.setraw(fd, termios.TCSADRAIN)  # what was typed ahead is kept
    try:
        yield
    finally:
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


@contextlib.contextmanager
def _following_size(window: int, resize: Resize) -> Iterator[None]:
    def tell(_number: int = 0, _frame: FrameType | None = None) -> None:
        with contextlib.suppress(Exception):  # the size of a window is not worth dying for
            size = os.get_terminal_size(window)  # whatever COLUMNS and LINES say
            resize(size.lines, size.columns)

    before = signal.signal(signal.SIGWINCH, tell)
    tell()
    try:
        yield
    finally:
        signal.signal(signal.SIGWINCH, before)


@contextlib.contextmanager
def _pumping(stream: ExecStream, source: int | None) -> Iterator[None]:
    """Pass `source` on in a thread of its own, which ends with the block."""
    if source is None:
        stream.end_input()
        yield
        return
    wake_read, wake_write = os.pipe()
    pump = threading.Thread(target=_pump, args=(stream, source, wake_read), daemon=True)
    pump.start()
    try:
        yield
    finally:
        os.close(wake_write)
        pump.join()
        os.close(wake_read)


def _pump(stream: ExecStream, source: int, wake: int) -> None:
    while True:
        ready, _, _ = select.select([source, wake], [], [])
        if wake in ready:
            return
        data = os.read(source, _CHUNK_BYTES)
        if not data:
            stream.end_input()
            return
        if not stream.send(data):
            return
