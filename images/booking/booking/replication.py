"""Claims and promises to the peers, at once and without anybody waiting for it.

Each claim goes to each peer as a request of its own over connections that stay open. What fails is
repeated for about a second and then given up: the peer will not know of the claim, which is what a
partition does to this design, and the metrics count it.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Mapping
from dataclasses import asdict
from typing import Any

import aiohttp
import orjson

from booking.clocks import NS, raw_now_ns
from booking.metrics import Metrics
from booking.policy import Claim

PUSH_TIMEOUT_S = 1.0
RETRY_AFTER_S = (0.02, 0.1, 0.3, 0.6)
DRAIN_S = 1.0
CONNECTIONS_PER_PEER = 16
KEEPALIVE_S = 30  # below what the peers' server allows: a connection is never found closed

_log = logging.getLogger("booking.replication")


class PeerOutbox:
    """Pushes to `peers` (name to URL). Made inside the event loop; close it there."""

    def __init__(self, server: str, peers: Mapping[str, str], metrics: Metrics) -> None:
        self._server = server
        self._urls = {name: f"{url}/internal" for name, url in peers.items()}
        self._metrics = metrics
        self._down: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, limit_per_host=CONNECTIONS_PER_PEER, keepalive_timeout=KEEPALIVE_S
            ),
            timeout=aiohttp.ClientTimeout(total=PUSH_TIMEOUT_S),
            headers={"Content-Type": "application/json"},
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    def push(self, claim: Claim) -> None:
        """Start telling every peer."""
        body = orjson.dumps({"claims": [asdict(claim)]})
        for peer in self._urls:
            self._begin(self._deliver(peer, claim, body))

    def promise(self, bound_ns: int, raw_ns: int) -> None:
        """Start telling every peer how far this server's clock may be off."""
        body = orjson.dumps({"server": self._server, "bound_ns": bound_ns, "raw_ns": raw_ns})
        for peer in self._urls:
            self._begin(self._repeat(peer, "promises", body))

    def _begin(self, telling: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.create_task(telling)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Let deliveries under way finish for a moment, then drop the rest."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=DRAIN_S)
            for task in late:
                task.cancel()
        await self._session.close()

    async def _deliver(self, peer: str, claim: Claim, body: bytes) -> None:
        if await self._repeat(peer, "claims", body):
            self._metrics.pushed.labels(peer).inc()
            lag_s = (raw_now_ns() - claim.claimed_raw_ns) / NS
            self._metrics.ack_seconds.labels(peer).observe(lag_s)
            return
        self._metrics.push_failures.labels(peer).inc()
        _log.debug("claim given up", extra={"peer": peer, "claim_id": claim.claim_id})

    async def _repeat(self, peer: str, what: str, body: bytes) -> bool:
        """Whether the peer has taken it at last."""
        for pause_s in (*RETRY_AFTER_S, None):
            if await self._post(peer, what, body) is None:
                return True
            if pause_s is not None:
                self._metrics.push_retries.labels(peer).inc()
                await asyncio.sleep(pause_s)
        return False

    async def _post(self, peer: str, what: str, body: bytes) -> str | None:
        """The error, if any. A peer that fails or recovers is logged once, not once per claim."""
        try:
            async with self._session.post(f"{self._urls[peer]}/{what}", data=body) as response:
                error = None if response.status == 200 else f"status {response.status}"
        except (aiohttp.ClientError, OSError, TimeoutError) as failure:
            error = f"{type(failure).__name__}: {failure}"
        if error and peer not in self._down:
            self._down.add(peer)
            _log.warning("peer does not take claims", extra={"peer": peer, "error": error})
        elif error is None and peer in self._down:
            self._down.discard(peer)
            _log.info("peer takes claims again", extra={"peer": peer})
        return error
