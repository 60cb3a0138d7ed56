"""One run per idempotency key at a time, within this process.

Across restarts and servers the unique column `claims.idempotency_key` does the same; this is for
policies that think for a while before they write, so that a repeated request joins the first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """Requests with the same key share one run and its outcome, errors included."""

    def __init__(self) -> None:
        self._running: dict[str, asyncio.Task[T]] = {}

    async def run(self, key: str, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """The outcome of `work`, or of the run of `key` that is under way.

        A caller that is cancelled leaves the run to those who wait with it.
        """
        task = self._running.get(key)
        if task is None:
            task = asyncio.create_task(work())
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)
