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
from typing import Any

from .carrier import BentLink, Hearing
from .config import Address, Config
from .lines import LineSplitter
from .link import Impairment, link_chance
from .listening import Connections
from .ticket import BadValueError

RECONNECT_FIRST_S = 0.05
RECONNECT_MAX_S = 1.0
CONNECT_TIMEOUT_S = 2.0
UNACKNOWLEDGED_MS_MAX = 3_000
QUEUE_LINES_MAX = 10_000


class OutLink:
    """The way to one neighbor."""

    def __init__(self, address: Address, chance: random.Random) -> None:
        self.bent = BentLink(chance, self._enqueue)
        self._address = address
        self._queue: asyncio.Queue[str] = asyncio.Queue(QUEUE_LINES_MAX)

    def _enqueue(self, payload: str) -> bool:
        with contextlib.suppress(asyncio.QueueFull):
            self._queue.put_nowait(payload)
            return True
        return False

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
            writer.write("".join(f"{line}\n" for line in lines).encode())
            await writer.drain()
            self.bent.sent += len(lines)


class Neighborhood:
    """All links of a node, both ways."""

    def __init__(self, config: Config) -> None:
        self._listen = (config.listen, config.port)
        self.links = {
            peer: OutLink(address, link_chance(config.seed, config.name, peer))
            for peer, address in config.neighbors.items()
        }

    def send(self, payload: str) -> None:
        """To every neighbor."""
        for link in self.links.values():
            link.bent.send(payload)

    def impair(self, peer: str | None, impairment: Impairment) -> None:
        """Bend the link to `peer`, or all of them. Raises `BadValueError` for a stranger."""
        if peer is not None and peer not in self.links:
            raise BadValueError(f"{peer!r} is no neighbor; there are: {', '.join(self.links)}")
        for name, link in self.links.items():
            if peer in (None, name):
                link.bent.impairment = impairment

    def status(self) -> dict[str, Any]:
        """Per neighbor: lines handed to the network, lines lost here, and what bends the link."""
        return {name: link.bent.status() for name, link in self.links.items()}

    async def run(self, hearing: Hearing) -> None:
        """Take lines and keep the links up, for ever."""
        connections = Connections()

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            splitter = LineSplitter()
            with contextlib.suppress(OSError):
                while data := await reader.read(65536):
                    hearing.take(splitter, data)

        server = await asyncio.start_server(connections.handled(on_connection), *self._listen)
        async with asyncio.TaskGroup() as tasks:
            for link in self.links.values():
                tasks.create_task(link.run())
            tasks.create_task(connections.serve(server))
