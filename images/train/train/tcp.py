"""The lab's carrier: nodes in containers, lines over TCP, one connection per neighbor.

A connection only carries lines one way, from a node to a neighbor; a ring may run one way only. A
neighbor that is away is tried again; what is sent meanwhile is lost, as on any network, and the
channels send it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import time
from collections.abc import Callable
from typing import Any

from .config import Address, Config
from .lines import LineSplitter, take_lines
from .link import Impairment, fates, link_chance
from .listening import Connections
from .plain import plain
from .ticket import BadValueError

RECONNECT_FIRST_S = 0.05
RECONNECT_MAX_S = 1.0
CONNECT_TIMEOUT_S = 2.0
UNACKNOWLEDGED_MS_MAX = 3_000
QUEUE_LINES_MAX = 10_000
NS = 1_000_000_000


class OutLink:
    """The way to one neighbor; `impairment` may be replaced at any time."""

    def __init__(self, name: str, address: Address, chance: random.Random) -> None:
        self.name = name
        self.impairment = Impairment()
        self.sent = 0
        self.dropped = 0
        self._address = address
        self._chance = chance
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE_LINES_MAX)

    def send(self, payload: str) -> None:
        """Let the link do to the line what it does."""
        line = payload.encode() + b"\n"
        delays_ns = fates(self.impairment, self._chance)
        self.dropped += not delays_ns
        for delay_ns in delays_ns:
            if delay_ns:
                asyncio.get_running_loop().call_later(delay_ns / NS, self._enqueue, line)
            else:
                self._enqueue(line)

    def _enqueue(self, line: bytes) -> None:
        try:
            self._queue.put_nowait(line)
        except asyncio.QueueFull:
            self.dropped += 1

    async def run(self) -> None:
        """Keep a connection and write to it, for ever."""
        wait_s = RECONNECT_FIRST_S
        while True:
            try:
                writer = await asyncio.wait_for(self._connect(), CONNECT_TIMEOUT_S)
            except OSError:
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, RECONNECT_MAX_S)
                continue
            wait_s = RECONNECT_FIRST_S
            with contextlib.suppress(OSError):
                await self._write_to(writer)
            writer.close()

    async def _connect(self) -> asyncio.StreamWriter:
        """A connection that the kernel gives up soon when a partition swallows what is sent."""
        _, writer = await asyncio.open_connection(self._address.host, self._address.port)
        writer.get_extra_info("socket").setsockopt(
            socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_MS_MAX
        )
        return writer

    async def _write_to(self, writer: asyncio.StreamWriter) -> None:
        while True:
            lines = [await self._queue.get()]
            while not self._queue.empty():
                lines.append(self._queue.get_nowait())
            writer.write(b"".join(lines))
            await writer.drain()
            self.sent += len(lines)


class Neighborhood:
    """All links of a node, both ways."""

    def __init__(self, config: Config) -> None:
        self._listen = (config.listen, config.port)
        self.links = {
            peer: OutLink(peer, address, link_chance(config.seed, config.name, peer))
            for peer, address in config.neighbors.items()
        }

    def send(self, payload: str) -> None:
        """To every neighbor."""
        for link in self.links.values():
            link.send(payload)

    def impair(self, peer: str | None, impairment: Impairment) -> None:
        """Bend the link to `peer`, or all of them. Raises `BadValueError` for a stranger."""
        if peer is not None and peer not in self.links:
            raise BadValueError(f"{peer!r} is no neighbor; there are: {', '.join(self.links)}")
        for name, link in self.links.items():
            if peer in (None, name):
                link.impairment = impairment

    def status(self) -> dict[str, Any]:
        """Per neighbor: lines handed to the network, lines lost here, and what bends the link."""
        return {
            name: {"sent": link.sent, "dropped": link.dropped, **plain(link.impairment)}
            for name, link in self.links.items()
        }

    async def run(
        self,
        receive: Callable[[list[str]], None],
        reject: Callable[[str], None],
        done: Callable[[], None],
    ) -> None:
        """Take lines and keep the links up, for ever. `done` follows every batch."""
        connections = Connections()

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            splitter = LineSplitter()
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    take_lines(splitter, data, receive, reject)
                    done()

        server = await asyncio.start_server(connections.handled(on_connection), *self._listen)
        async with asyncio.TaskGroup() as tasks:
            for link in self.links.values():
                tasks.create_task(link.run())
            tasks.create_task(connections.serve(server))


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
