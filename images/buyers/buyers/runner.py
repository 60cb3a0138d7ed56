"""Sends every arrival when it is due, whatever became of the others. Third stage.

Open loop: a server that is slow, or gone, delays nobody but those who asked it. Whatever
was sent is recorded once, also when the load is told to stop in the middle.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

import aiohttp

from .arrivals import Arrival
from .client import BookingClient
from .clock import LabClock
from .load import Load
from .records import INTERRUPTED, Attempt, Confirm, attempt_document

Emit = Callable[[Mapping[str, Any]], None]

KEEPALIVE_S = 2.0
"""Shorter than uvicorn's 5 s, so that no request meets a connection about to be closed."""


@dataclass(frozen=True)
class Summary:
    """How it ended: attempts recorded, arrivals never sent, whether it was told to stop."""

    attempts: int
    unsent: int
    interrupted: bool


async def run_load(
    load: Load,
    arrivals: Sequence[Arrival],
    clock: LabClock,
    emit: Emit,
    stop: asyncio.Event,
    enough: asyncio.Event | None = None,
) -> Summary:
    """Send `arrivals` in their order until all are answered or `stop` is set.

    Once `enough` is set nobody new is sent, and whoever was sent gets an answer; `stop` cuts
    them short. Every attempt goes to `emit` as soon as it ended. `arrivals` must be sorted by
    `due_ns`.
    """
    enough = enough or asyncio.Event()
    telling = asyncio.create_task(_tell(stop, enough))
    connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_S)
    async with aiohttp.ClientSession(connector=connector) as session:
        runner = Runner(load, clock, emit, BookingClient(session, clock, load.timeout_ns))
        sent = await runner.send(arrivals, enough)
        await runner.finish(stop)
    telling.cancel()
    return Summary(runner.recorded, len(arrivals) - sent, stop.is_set())


async def _tell(stop: asyncio.Event, enough: asyncio.Event) -> None:
    await stop.wait()
    enough.set()


class Runner:
    """The attempts in flight, and what becomes of each."""

    def __init__(self, load: Load, clock: LabClock, emit: Emit, client: BookingClient) -> None:
        self._load, self._clock, self._emit, self._client = load, clock, emit, client
        self._in_flight: dict[asyncio.Task[None], Attempt] = {}
        self._bugs: list[BaseException] = []
        self.recorded = 0

    async def send(self, arrivals: Sequence[Arrival], enough: asyncio.Event) -> int:
        """Start every arrival when it is due; the number started before `enough` was set."""
        for sent, arrival in enumerate(arrivals):
            due_ns = self._load.start_lab_ns + arrival.due_ns
            await self._until(due_ns, enough)
            if enough.is_set():
                return sent
            self._start(arrival, due_ns)
            # The new attempt sends before the next is looked at, also when all are late.
            await asyncio.sleep(0)
        return len(arrivals)

    async def finish(self, stop: asyncio.Event) -> None:
        """Wait for everybody in flight; once `stop` is set, cut them short."""
        told = asyncio.ensure_future(stop.wait())
        # `_record` was added to every task first, so it has run when `everybody` is done.
        everybody = asyncio.gather(*self._in_flight, return_exceptions=True)
        waited_for: set[asyncio.Future[Any]] = {told, everybody}
        await asyncio.wait(waited_for, return_when=asyncio.FIRST_COMPLETED)
        told.cancel()
        for task in self._in_flight:
            task.cancel()
        await everybody
        if self._bugs:
            raise self._bugs[0]

    async def _until(self, due_ns: int, enough: asyncio.Event) -> None:
        while (wait_ns := due_ns - self._clock.now_ns()) > 0 and not enough.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), wait_ns / 1e9)

    def _start(self, arrival: Arrival, due_ns: int) -> None:
        attempt = Attempt(arrival, due_ns, self._clock.now_ns())
        task = asyncio.create_task(self._attempt(attempt))
        self._in_flight[task] = attempt
        task.add_done_callback(self._record)

    def _record(self, task: asyncio.Task[None]) -> None:
        attempt = self._in_flight.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._bugs.append(error)
        self.recorded += 1
        self._emit(attempt_document(self._load.phase, attempt))

    async def _attempt(self, attempt: Attempt) -> None:
        await self._reserve(attempt)
        if attempt.outcome == "held" and self._load.policy_holds:
            await self._confirm(attempt)

    async def _reserve(self, attempt: Attempt) -> None:
        arrival = attempt.arrival
        body = {"seat": arrival.seat, "buyer": arrival.buyer, "phase": self._load.phase}
        attempt.sent_ns = self._clock.now_ns()
        answer = await self._client.reserve(
            self._load.servers[arrival.server], body, arrival.attempt_id
        )
        attempt.answered_ns = answer.answered_ns
        attempt.http_status = answer.http_status
        attempt.outcome = answer.outcome
        attempt.receipt_id = answer.document.get("receipt_id")
        attempt.claim_id = answer.document.get("claim_id")
        attempt.stamp_ns = answer.document.get("stamp_ns")
        attempt.problem = answer.problem

    async def _confirm(self, attempt: Attempt) -> None:
        arrival = attempt.arrival
        # Nobody confirms what they do not hold yet: due at the answer's arrival at the earliest.
        answered_ns = attempt.answered_ns or 0
        due_ns = max(attempt.due_ns + arrival.confirm_delay_ns, answered_ns)
        attempt.confirm = confirm = Confirm(due_ns)
        attempt.problem = f"confirm: {INTERRUPTED}"
        await asyncio.sleep(max(0, due_ns - self._clock.now_ns()) / 1e9)
        confirm.sent_ns = self._clock.now_ns()
        answer = await self._client.confirm(
            self._load.servers[arrival.server],
            attempt.claim_id or "",
            f"{arrival.attempt_id}-confirm",
        )
        attempt.confirm = replace(
            confirm,
            answered_ns=answer.answered_ns,
            http_status=answer.http_status,
            outcome=answer.outcome,
        )
        attempt.receipt_id = answer.document.get("receipt_id") or attempt.receipt_id
        attempt.problem = f"confirm: {answer.problem}" if answer.problem else None
