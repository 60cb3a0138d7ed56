"""A node's timer; for `service.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from .ticket import NS


class Ticker:
    """Calls `tick` when it is due; `arm` after every event."""

    def __init__(self, tick: Callable[[], None], next_due_ns: Callable[[], int | None]) -> None:
        self._tick = tick
        self._next_due_ns = next_due_ns
        self._timer: asyncio.TimerHandle | None = None

    def arm(self) -> None:
        """Set the timer for what is due next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ns = self._next_due_ns()
        if due_ns is not None:
            wait_s = max(0, due_ns - time.monotonic_ns()) / NS
            self._timer = asyncio.get_running_loop().call_later(wait_s, self._fire)

    def _fire(self) -> None:
        self._timer = None
        self._tick()
        self.arm()
