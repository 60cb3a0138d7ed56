"""Serving until told to end, whatever Python: 3.12 and later wait for whoever is still connected
before `serve_forever` ends, and a neighbor's connection never ends by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Connections:
    """Those that are open; `handled` counts a handler's in and out, `close` ends them all."""

    def __init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()

    def handled(self, handle: Handle) -> Handle:
        """`handle`, with its connection closed behind it."""

        async def on_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers.add(writer)
            try:
                await handle(reader, writer)
            finally:
                self._writers.discard(writer)
                writer.close()

        return on_connection

    async def serve(self, server: asyncio.Server) -> None:
        """Until cancelled; then nobody is left."""
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            server.close()
            for writer in list(self._writers):
                writer.transport.abort()
