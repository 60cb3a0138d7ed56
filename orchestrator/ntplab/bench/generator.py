"""The load of `throughput.py`: a closed loop of reservations over a few connections.

Runs inside a container, by itself: standard library only, imports nothing of ours. It shares the
processors with the server that it measures, so it does as little as can be done: one request
always under way on each connection, answers only split at their length.

Usage: generator.py HOST PORT CONNECTIONS WARM_UP_S SECONDS
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from itertools import count

HEAD_END = b"\r\n\r\n"
LENGTH = b"content-length:"


class Connection(asyncio.Protocol):
    """Sends the next request as soon as the last one is answered."""

    def __init__(self, head: bytes, numbers: count[int], statuses: Counter[str]) -> None:
        self._head, self._numbers, self._statuses = head, numbers, statuses
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._run = os.urandom(6).hex()
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.closed.done():
            self.closed.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._received += data
        status = answered(self._received)
        if status is not None:
            self._received = b""
            self._statuses[status] += 1
            self._send()

    def _send(self) -> None:
        number = f"{self._run}-{next(self._numbers)}".encode()
        body = b'{"seat":"S-%b","buyer":"b-%b","phase":"bench"}' % (number, number)
        assert self._transport is not None
        self._transport.write(
            b"%bIdempotency-Key: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (self._head, number, len(body), body)
        )


def answered(received: bytes) -> str | None:
    """The status of an answer that is here as a whole, else None."""
    end = received.find(HEAD_END)
    if end < 0:
        return None
    head = received[:end].lower()
    at = head.find(LENGTH)
    if at < 0:
        raise ValueError("an answer without Content-Length")
    length = int(head[at + len(LENGTH) :].split(b"\r\n", 1)[0])
    return head[9:12].decode() if len(received) >= end + len(HEAD_END) + length else None


async def generate(
    host: str, port: int, connections: int, warm_up_s: float, seconds: float
) -> dict[str, object]:
    """Keep the connections busy; answers per second of the time after the warm-up."""
    statuses: Counter[str] = Counter()
    numbers = count(1)
    head = f"POST /reserve_ticket HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    made = [
        await asyncio.get_running_loop().create_connection(
            lambda: Connection(head.encode(), numbers, statuses), host, port
        )
        for _ in range(connections)
    ]
    await asyncio.sleep(warm_up_s)
    statuses.clear()
    begin, begin_cpu = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    took_s, cpu_s = time.monotonic() - begin, time.process_time() - begin_cpu
    counted = dict(statuses)
    lost = sum(protocol.closed.done() for _, protocol in made)
    for transport, _ in made:
        transport.abort()
    if lost:
        counted["connection lost"] = lost
    return {
        "requests_per_s": sum(counted.values()) / took_s,
        "cpu_share": cpu_s / took_s,
        "statuses": counted,
    }


def main(arguments: list[str]) -> int:
    """Print the report as JSON."""
    host, port, connections, warm_up_s, seconds = arguments
    report = generate(host, int(port), int(connections), float(warm_up_s), float(seconds))
    print(json.dumps(asyncio.run(report)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
