"""The running service: settings, database, policy, peers and chronyd's beliefs, started and
stopped together. Routes reach everything through it."""

from __future__ import annotations

import asyncio
import logging
import math
import os
import uuid
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import asyncpg

from booking import clocks, database, measurements
from booking.chrony import Belief, Watch
from booking.config import ConfigError, Settings, changes, read_settings
from booking.metrics import Metrics
from booking.policy import NoOutbox, Outbox, Policy, Surroundings
from booking.problems import ProblemError

if TYPE_CHECKING:
    from booking.replication import PeerOutbox

POOL_CLOSE_S = 1.0

_log = logging.getLogger("booking.service")


def new_id() -> str:
    """128 random bits as text: claims and receipts."""
    return uuid.uuid4().hex


class Service:
    """Answers from the first moment; says `not ready` until the database is reached.

    `failed` is set when that will never be, and `on_failure` is called. `refused` says what was
    wrong with the last change of policy that the lab asked for; the old policy stays in force.
    """

    def __init__(self, settings: Settings, on_failure: Callable[[], None] = lambda: None) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.clock = clocks.read
        self.failed: str | None = None
        self.refused: str | None = None
        self.reloads = 0
        self.watch = Watch(self.clock, self._record_belief)
        self._on_failure = on_failure
        self._waiting_for = "the database has not answered yet"
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._policy: Policy | None = None
        self._outbox: PeerOutbox | None = None
        self._claimed = False
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def policy(self) -> Policy:
        """The policy in force. Raises ProblemError while there is no database under it."""
        if self._policy is None:
            raise ProblemError("not-ready", f"Not ready: {self._waiting_for}.")
        self._claimed = True
        return self._policy

    @property
    def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """The connection pool. Raises ProblemError while there is none."""
        if self._pool is None or self._policy is None:
            raise ProblemError("not-ready", f"Not ready: {self._waiting_for}.")
        return self._pool

    async def start(self) -> None:
        """Begin to connect, and to watch chronyd; does not wait for either."""
        self._tasks = [
            asyncio.create_task(self._connect()),
            asyncio.create_task(self.watch.run()),
        ]

    async def stop(self) -> None:
        """Let pushes under way finish, close the pool; bounded by about two seconds."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._disconnect()

    def reload(self) -> None:
        """Go on with the policy that the lab has written into the file of changes (SIGHUP).

        The process stays, with its imports and its port; database, policy and what they remember
        are begun anew. A change that is not valid is refused as a whole.
        """
        self.reloads += 1
        try:
            settings = read_settings(os.environ, changes())
        except ConfigError as error:
            self.refused = str(error)
            _log.error("change of policy refused", extra={"problems": error.problems})
            return
        self.refused = None
        self._tasks[0].cancel()
        self._tasks[0] = asyncio.create_task(self._begin_anew(self._tasks[0], settings))

    async def _begin_anew(self, before: asyncio.Task[None], settings: Settings) -> None:
        await asyncio.gather(before, return_exceptions=True)
        self._waiting_for = "the policy is being changed"
        await self._disconnect()
        self.settings = settings
        await self._connect()

    async def _disconnect(self) -> None:
        outbox, pool = self._outbox, self._pool
        self._outbox = self._pool = self._policy = None
        if outbox:
            await outbox.close()
        if pool:
            try:
                await asyncio.wait_for(pool.close(), POOL_CLOSE_S)
            except TimeoutError:
                pool.terminate()

    async def _connect(self) -> None:
        try:
            self._pool = await database.open_pool(self.settings)
            policy = self._make_policy(self._pool)
            await policy.start()
        except Exception as error:
            self.failed = self._waiting_for = f"{type(error).__name__}: {error}"
            _log.error("cannot start", extra={"error": self.failed})
            self._on_failure()
            return
        self._policy = policy
        _log.info("ready", extra={"policy": policy.name, "database": self.settings.database})

    def _make_policy(self, pool: asyncpg.Pool[asyncpg.Record]) -> Policy:
        settings = self.settings
        outbox: Outbox = NoOutbox()
        if settings.policy.replicates:
            # Imported here: the HTTP client takes a sixth of the start, and shared databases
            # need none.
            from booking.replication import PeerOutbox

            outbox = self._outbox = PeerOutbox(settings.peers, self.metrics)
        around = Surroundings(settings.node, pool, self.clock, outbox, new_id)
        return settings.policy(settings.params, around)

    async def _record_belief(self, belief: Belief) -> None:
        tracking = belief.tracking if belief.state == "ok" else None
        bound_ns = tracking.error_bound_ns if tracking else None
        self.metrics.clock_error_bound.set(math.nan if bound_ns is None else bound_ns / clocks.NS)
        if self._claimed and self._policy and self._pool:
            # Only when there were claims since: what nobody will look up is not kept.
            await measurements.record_belief(self._pool, self.settings.node, belief)
            self._claimed = False

    def database_gauges(self) -> dict[str, Any]:
        """Size and idle connections of the pool, zero while there is none."""
        pool = self._pool
        return {
            "size": pool.get_size() if pool else 0,
            "idle": pool.get_idle_size() if pool else 0,
        }
