"""Claims on their way to peers, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from booking import replication
from booking.clocks import raw_now_ns
from booking.metrics import Metrics
from booking.policy import Claim
from booking.replication import PeerOutbox

Answer = Callable[[], Awaitable[int]]


class Peer:
    """A peer on a port of its own; `answer` gives the status for each push."""

    def __init__(self) -> None:
        self.claims: list[str] = []
        self.connections: set[int] = set()
        self.statuses: list[int] = []
        self.url = ""

    async def take(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        self.connections.add(id(request.transport))
        status = self.statuses.pop(0) if self.statuses else 200
        if status == 200:
            self.claims += [c["claim_id"] for c in (await request.json())["claims"]]
        return web.Response(status=status)


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    peer = Peer()
    app = web.Application()
    app.router.add_post("/internal/claims", peer.take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    peer.url = f"http://{host}:{port}"
    yield peer
    await runner.cleanup()


def claim(name: str) -> Claim:
    return Claim(name, "paris", None, "1", "b", 5, raw_now_ns())


def counted(metrics: Metrics, name: str, peer: str) -> float:
    return metrics.registry.get_sample_value(f"booking_{name}_total", {"peer": peer}) or 0.0


def _pushed(metrics: Metrics) -> list[float]:
    return [counted(metrics, "claims_pushed", name) for name in ("lyon", "nice")]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not reached():
            await asyncio.sleep(0.005)


async def test_a_claim_reaches_every_peer_over_connections_that_stay(peer: Peer) -> None:
    metrics = Metrics()
    outbox = PeerOutbox("paris", {"lyon": peer.url, "nice": peer.url}, metrics)
    for number, name in enumerate("abc", 1):
        outbox.push(claim(name))
        # A connection is free once its answer was read, not as soon as the peer has the claim.
        await until(lambda number=number: _pushed(metrics) == [number, number])  # type: ignore[misc]
        assert peer.claims.count(name) == 2
    await outbox.close()
    assert len(peer.connections) <= 2


async def test_a_push_that_fails_is_repeated(peer: Peer) -> None:
    metrics = Metrics()
    outbox = PeerOutbox("paris", {"lyon": peer.url}, metrics)
    peer.statuses = [503, 503]
    outbox.push(claim("a"))
    await until(lambda: counted(metrics, "claims_pushed", "lyon") == 1)
    await outbox.close()
    assert peer.claims == ["a"]
    assert counted(metrics, "claims_push_retries", "lyon") == 2
    assert counted(metrics, "claims_push_failed", "lyon") == 0


async def test_a_peer_that_is_gone_is_given_up_and_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(replication, "RETRY_AFTER_S", (0.001, 0.001))
    metrics = Metrics()
    outbox = PeerOutbox("paris", {"lyon": "http://127.0.0.1:9"}, metrics)
    for name in "ab":
        outbox.push(claim(name))
    await until(lambda: counted(metrics, "claims_push_failed", "lyon") == 2)
    await outbox.close()
    warnings = [r.message for r in caplog.records if r.levelname == "WARNING"]
    assert warnings == ["peer does not take claims"]


async def test_closing_does_not_wait_for_a_peer_that_hangs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(replication, "DRAIN_S", 0.05)
    writers: list[asyncio.StreamWriter] = []
    hanging = await asyncio.start_server(
        lambda _reader, writer: writers.append(writer), "127.0.0.1", 0
    )
    port = hanging.sockets[0].getsockname()[1]
    outbox = PeerOutbox("paris", {"lyon": f"http://127.0.0.1:{port}"}, Metrics())
    outbox.push(claim("a"))
    await until(lambda: bool(writers))
    async with asyncio.timeout(10):
        await outbox.close()
    for writer in writers:
        writer.close()
        await writer.wait_closed()
    hanging.close()
