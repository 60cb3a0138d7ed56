"""The carrier of Airplug's term mode: lines on stdin and stdout, each with its header.

Both are blocking descriptors that may be shared with others, so each has a thread of its own
rather than being made non-blocking. A line leaves by one write(2) of less than PIPE_BUF bytes,
which no other writer of the same FIFO can tear.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import os
import queue
import random
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from .airplug import Header, HeaderMode, Subscriptions, frame, unframe
from .carrier import BentLink, Hearing
from .lines import LINE_BYTES_MAX, LineSplitter
from .link import Impairment
from .relay import write_whole
from .ticket import BadValueError

QUEUE_LINES_MAX = 10_000
FLUSH_S_MAX = 1.0
AIR = "air"


class LineWriter:
    """Writes whole lines to `fd` from a thread; `gone` is called there when nobody reads them."""

    def __init__(self, fd: int, gone: Callable[[], None]) -> None:
        self._fd = fd
        self._gone = gone
        self._lines: queue.Queue[bytes | None] = queue.Queue(QUEUE_LINES_MAX)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def write(self, line: str) -> bool:
        """Whether there was room; a line without is lost, as on any network."""
        try:
            self._lines.put_nowait(line.encode() + b"\n")
        except queue.Full:
            return False
        return True

    def close(self) -> None:
        """Write what is left, for a second at most."""
        try:
            self._lines.put(None, timeout=FLUSH_S_MAX)
        except queue.Full:
            return
        self._thread.join(FLUSH_S_MAX)

    def _run(self) -> None:
        try:
            while (line := self._lines.get()) is not None:
                write_whole(self._fd, line)
        except OSError:
            self._gone()


class Terminal:
    """One process's stdin and stdout as the air. Made inside a running event loop."""

    def __init__(
        self,
        mode: HeaderMode,
        header: Header,
        subscriptions: Subscriptions,
        seed: str,
        watch: Callable[[str], None] | None = None,
    ) -> None:
        self.bent = BentLink(random.Random(seed), self._write)
        self.ignored = 0
        """Lines for other applications, or from ones not subscribed to."""
        self._mode = mode
        self._header = header
        self._subscriptions = subscriptions
        self._watch = watch
        """Sees every line, "> " or "< " before it."""
        self._loop = asyncio.get_running_loop()
        self._ended = asyncio.Event()
        self._writer = LineWriter(1, self._end)

    def send(self, payload: str) -> None:
        """Write it with its header, as the link lets it."""
        self.bent.send(payload)

    def _write(self, payload: str) -> bool:
        line = frame(payload, self._mode, self._header)
        if len(line) > LINE_BYTES_MAX:
            raise BadValueError(f"a line of {len(line)} bytes: {LINE_BYTES_MAX} are allowed")
        if self._watch is not None:
            self._watch(f"> {line}")
        written = self._writer.write(line)
        self.bent.sent += written
        return written

    def impair(self, peer: str | None, impairment: Impairment) -> None:
        """Bend stdout, the only link there is."""
        if peer not in (None, AIR):
            raise BadValueError(f"{peer!r} is no link here; the only one is {AIR}")
        self.bent.impairment = impairment

    def status(self) -> dict[str, Any]:
        """Lines written, lost here and not for us, and what bends the link."""
        return {AIR: {"ignored": self.ignored, **self.bent.status()}}

    def _end(self) -> None:
        """From any thread: nothing more comes, or nobody reads any more."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._ended.set)

    async def run(self, hearing: Hearing) -> None:
        """Take lines until stdin ends, or nobody reads what is written."""
        splitter = LineSplitter()
        unframed = replace(
            hearing, receive=lambda lines: hearing.receive(self._payloads(lines, hearing.reject))
        )

        def take(data: bytes) -> None:
            unframed.take(splitter, data)

        threading.Thread(target=_read, args=(0, self._loop, take, self._end), daemon=True).start()
        try:
            await self._ended.wait()
        finally:
            self._writer.close()

    def _payloads(self, lines: list[str], reject: Callable[[str], None]) -> list[str]:
        """Of the lines that are for this application."""
        return [payload for line in lines if (payload := self._payload(line, reject)) is not None]

    def _payload(self, line: str, reject: Callable[[str], None]) -> str | None:
        if self._watch is not None:
            self._watch(f"< {line}")
        try:
            header, payload = unframe(line, self._mode)
        except BadValueError as error:
            reject(str(error))
            return None
        if header is None or self._subscriptions.accept(header, self._mode):
            return payload
        self.ignored += 1
        return None


def _read(
    fd: int,
    loop: asyncio.AbstractEventLoop,
    take: Callable[[bytes], None],
    ended: Callable[[], None],
) -> None:
    """A thread: hand over what comes, one piece at a time, so that a flood waits in the pipe."""

    def hand_over(data: bytes, taken: concurrent.futures.Future[None]) -> None:
        try:
            take(data)
        finally:
            taken.set_result(None)

    try:
        while data := os.read(fd, 65536):
            taken: concurrent.futures.Future[None] = concurrent.futures.Future()
            loop.call_soon_threadsafe(hand_over, data, taken)
            taken.result()
    except OSError:
        pass
    finally:
        ended()
