"""What Prometheus is told, and the thin ASGI layer that measures every request."""

from __future__ import annotations

import time
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

disable_created_metrics()  # type: ignore[no-untyped-call]  # they would be readings of a wall clock that may be wrong

ROUTE_KEY = "booking.route"
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_BUCKETS_S = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Metrics:
    """One registry per process (per app, so that tests do not share counts)."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"booking_{name}", text, labels, registry=registry)

        self.requests = counter("requests", "Requests answered.", "route", "status")
        self.seconds = Histogram(
            "booking_request_seconds", "Time to answer, by this machine's monotonic clock.",
            ["route"], buckets=_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.pushed = counter("claims_pushed", "Claims that a peer has taken.", "peer")
        self.push_retries = counter("claims_push_retries", "Pushes that failed, repeated.", "peer")
        self.push_failures = counter("claims_push_failed", "Claims given up on.", "peer")
        self.received = counter("claims_received", "Claims learned from a peer.", "peer")
        self.ack_seconds = Histogram(
            "booking_replication_ack_seconds",
            "From stamping a claim to the peer's receipt: an upper bound of the replication lag.",
            ["peer"], buckets=_BUCKETS_S, registry=registry,
        )  # fmt: skip
        self.apparent_lag = Gauge(
            "booking_replication_apparent_lag_seconds",
            "This server's wall clock at receipt minus the stamp of the claim last received: the"
            " lag, plus the difference of the two wall clocks.",
            ["peer"], registry=registry,
        )  # fmt: skip
        self.pool_size = Gauge("booking_db_pool_size", "Open connections.", registry=registry)
        self.pool_idle = Gauge("booking_db_pool_idle", "Idle connections.", registry=registry)
        self.clock_error_bound = Gauge(
            "booking_clock_error_bound_seconds", "chronyd's bound; NaN while unknown.",
            registry=registry,
        )  # fmt: skip

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


class Measure:
    """Counts and times requests. Plain ASGI: a middleware class would cost a task per request."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._children: dict[tuple[str, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        status = 500

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, watch)
        finally:
            count, seconds = self._children_of(scope, status)
            count.inc()
            seconds.observe(time.perf_counter() - started)

    def _children_of(self, scope: Scope, status: int) -> tuple[Any, Any]:
        # Never a path that a client made up: each would become a time series.
        route = str(scope.get(ROUTE_KEY) or getattr(scope.get("route"), "path", "other"))
        key = route, status
        if key not in self._children:
            metrics = self._metrics
            self._children[key] = (
                metrics.requests.labels(route, str(status)),
                metrics.seconds.labels(route),
            )
        return self._children[key]
