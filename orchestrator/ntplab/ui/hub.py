"""Tells every browser what is new, at the same moments and in the same words.

Between the model and the server. A browser that is too slow is not waited for: it gets a
snapshot when it comes back to its senses.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

from .model import Model

TICK_S = 0.08
PULSE_S = 10.0
"""So often something is sent even if nothing is new: a dead connection shows itself."""
BACKLOG_MAX = 100

Frame = bytes


def frame(kind: str, data: object) -> Frame:
    """One server-sent event."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    return f"event: {kind}\ndata: {text}\n\n".encode()


class Hub:
    """`run` it as a task; `listen` once per browser. Only for one event loop."""

    def __init__(self, model: Callable[[], Model], over: Callable[[], bool]) -> None:
        """`model` says which model is on the page now; another one makes everybody start anew.
        Once the page is `over`, everybody is let go: a server waits for its last answer to end."""
        self._model, self._over = model, over
        self._shown: Model | None = None
        self._queues: set[asyncio.Queue[Frame | None]] = set()

    @property
    def listeners(self) -> int:
        """How many browsers are told now."""
        return len(self._queues)

    async def run(self) -> None:
        while not self._over():
            self.tick()
            await asyncio.sleep(TICK_S)
        for queue in self._queues:
            queue.put_nowait(None)

    def tick(self) -> None:
        """Send what is new, encoded once for all."""
        model = self._model()
        new: dict[str, Any] = model.changes()
        if model is not self._shown:
            self._shown = model
            self._send(frame("all", model.snapshot()))
        elif new:
            self._send(frame("new", new))

    def _send(self, data: Frame) -> None:
        for queue in self._queues:
            if queue.qsize() >= BACKLOG_MAX:
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(data)

    async def listen(self) -> AsyncIterator[Frame]:
        """A snapshot, then every change, until the caller goes away, or the page is over."""
        queue: asyncio.Queue[Frame | None] = asyncio.Queue()
        self.tick()  # what is new goes to the others; the snapshot holds it
        queue.put_nowait(frame("all", self._model().snapshot()))
        self._queues.add(queue)
        try:
            while not self._over():
                try:
                    data = await asyncio.wait_for(queue.get(), PULSE_S)
                except TimeoutError:
                    yield b": still here\n\n"
                    continue
                yield frame("all", self._model().snapshot()) if data is None else data
        finally:
            self._queues.discard(queue)
