"""A client's own load: seeded wishes, one request after the other. Runs beside the node.

Each customer thinks for a while (drawn from an exponential distribution), asks for one ticket, and
waits for the end of that request. The draws depend on the seed and the client's name alone.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass

from . import commands
from .client import Stage
from .host import Host
from .ticket import BadValueError, Wish

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Load:
    """`requests`: how many, None for as long as it runs. `wishes`: drawn evenly from these."""

    seed: int
    think_mean_ns: int
    requests: int | None = None
    wishes: tuple[Wish, ...] = (Wish(),)

    def __post_init__(self) -> None:
        if self.think_mean_ns < 0 or (self.requests is not None and self.requests < 0):
            raise BadValueError("load: no number may be below zero")
        if not self.wishes:
            raise BadValueError("load: at least one wish is needed")


class Customers:
    """Starts and ends the load of one client.

    `done` follows every request made; `failed` is told what ended the load before its time.
    """

    def __init__(
        self, host: Host, done: Callable[[], None], failed: Callable[[BaseException], None]
    ) -> None:
        self._host = host
        self._done = done
        self._failed = failed
        self.made = 0
        """Requests of the load that runs, or ran last."""
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()

    def start(self, load: Load) -> None:
        """Raises `BadValueError` at the office, or while another load runs."""
        if self._host.node.client is None:
            raise BadValueError("the office buys no tickets")
        if self.running:
            raise BadValueError("a load is running; stop it first")
        self._task = asyncio.get_running_loop().create_task(self._run(load))
        self._task.add_done_callback(self._ended)

    def stop(self) -> None:
        """No new requests; one that is outstanding goes on by itself."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    @property
    def running(self) -> bool:
        return self._task is not None and not self._task.done()

    def noticed(self) -> None:
        """Call after every event at the node: a request may have ended."""
        self._changed.set()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(error)

    def _may_ask(self) -> bool:
        node = self._host.node
        return node.client is not None and node.client.stage is Stage.IDLE and not node.halted

    async def _run(self, load: Load) -> None:
        chance = random.Random(f"{load.seed} {self._host.node.name}")
        self.made = 0
        while load.requests is None or self.made < load.requests:
            if load.think_mean_ns:
                await asyncio.sleep(chance.expovariate(NS / load.think_mean_ns))
            while not self._may_ask():
                self._changed.clear()
                await self._changed.wait()
            self._host.command(commands.reserve, chance.choice(load.wishes))
            self.made += 1
            self._done()
            # Other nodes' messages have to pass here as well.
            await asyncio.sleep(0)
