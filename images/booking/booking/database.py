"""Brings the database into being: wait for the server, create, migrate, open the pool.

Several servers start at once, so each step is done under an advisory lock and is harmless when
it was already done by another.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import asyncpg

from booking.config import Settings
from booking.problems import DATABASE_FAILURES

MIGRATIONS = Path(__file__).parent / "migrations"
CREATE_LOCK = "ntplab booking: create database "
MIGRATE_LOCK = "ntplab booking: migrate"
CONNECT_TIMEOUT_S = 5.0
COMMAND_TIMEOUT_S = 5.0
RETRY_S = 0.1
COMPLAIN_EVERY_S = 5.0

T = TypeVar("T")

_log = logging.getLogger("booking.database")


class DatabaseUnreachable(Exception):
    """The database did not come within the time allowed."""


@dataclass(frozen=True)
class Migration:
    """One numbered step. `part` is `core`, or a policy's name for the tables of that policy."""

    part: str
    number: int
    sql: str


def core_migrations(folder: Path = MIGRATIONS) -> tuple[Migration, ...]:
    """The numbered files of `folder`, in order. Raises ValueError where a number is missing."""
    files = sorted(folder.glob("*.sql"))
    numbers = [int(re.match(r"\d+", file.name)[0]) for file in files]  # type: ignore[index]
    if numbers != list(range(1, len(files) + 1)):
        raise ValueError(f"migrations are not numbered 1, 2, 3, ...: {[f.name for f in files]}")
    return tuple(
        Migration("core", number, file.read_text(encoding="utf-8"))
        for number, file in zip(numbers, files, strict=True)
    )


def policy_migrations(name: str, statements: Sequence[str]) -> tuple[Migration, ...]:
    """The steps that a policy brings for its own tables."""
    return tuple(Migration(name, number, sql) for number, sql in enumerate(statements, 1))


if TYPE_CHECKING:
    _Base = asyncpg.Connection[asyncpg.Record]
else:  # generic in its stubs only
    _Base = asyncpg.Connection


class _Connection(_Base):
    """Skips the round trip that cleans a connection on its way back into the pool.

    Nothing here leaves session state behind, and the trip would double the cost of a reservation.
    """

    def get_reset_query(self) -> str:
        return ""


def _address(settings: Settings, database: str) -> dict[str, Any]:
    return {
        "host": settings.db_host,
        "port": settings.db_port,
        "user": settings.db_user,
        "password": settings.db_password,
        "database": database,
        "timeout": CONNECT_TIMEOUT_S,
        "command_timeout": COMMAND_TIMEOUT_S,
        "server_settings": {"application_name": f"booking-{settings.node}", "jit": "off"},
    }


async def _with_connection(
    settings: Settings,
    database: str,
    work: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[None]],
) -> None:
    connection = await asyncpg.connect(**_address(settings, database))
    try:
        await work(connection)
    finally:
        await connection.close(timeout=CONNECT_TIMEOUT_S)


async def _create(settings: Settings) -> None:
    """Create the database unless it exists, under a lock in database `postgres`.

    One lock per database name, so that servers with databases of their own do not queue.
    """

    async def work(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        name = settings.database
        await connection.execute("SELECT pg_advisory_lock(hashtextextended($1, 0))",
                                 CREATE_LOCK + name, timeout=settings.db_wait_s)  # fmt: skip
        if await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", name) is None:
            # Copying files takes half the processor time of copying pages through the log, and
            # every server of a lab does this at the same moment.
            create = f'CREATE DATABASE "{name}" STRATEGY file_copy'
            await connection.execute(create, timeout=settings.db_wait_s)
            _log.info("database created", extra={"database": name})

    await _with_connection(settings, "postgres", work)


async def migrate(
    connection: asyncpg.Connection[asyncpg.Record], migrations: Sequence[Migration]
) -> list[Migration]:
    """Apply what is missing, in one transaction and under a lock; gives back what was applied."""
    async with connection.transaction():
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", MIGRATE_LOCK
        )
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS migrations (part text, number int,"
            " applied_at timestamptz NOT NULL DEFAULT now(), PRIMARY KEY (part, number))"
        )
        done = {tuple(r) for r in await connection.fetch("SELECT part, number FROM migrations")}
        missing = [m for m in migrations if (m.part, m.number) not in done]
        for migration in missing:
            await connection.execute(migration.sql)
            await connection.execute(
                "INSERT INTO migrations (part, number) VALUES ($1, $2)",
                migration.part,
                migration.number,
            )
    return missing


async def _prepare(settings: Settings) -> None:
    migrations = core_migrations() + policy_migrations(
        settings.policy.name, settings.policy.migrations
    )

    async def work(connection: asyncpg.Connection[asyncpg.Record]) -> None:
        for migration in await migrate(connection, migrations):
            step = f"{migration.part} {migration.number}"
            _log.info("migration applied", extra={"database": settings.database, "step": step})

    try:
        await _with_connection(settings, settings.database, work)
    except asyncpg.InvalidCatalogNameError:
        await _create(settings)
        await _with_connection(settings, settings.database, work)


async def _until_reachable(attempt: Callable[[], Awaitable[T]], settings: Settings) -> T:
    """Repeat `attempt` until the database answers. Raises DatabaseUnreachable at the deadline."""
    now = asyncio.get_running_loop().time
    where = f"{settings.db_host}:{settings.db_port}"
    deadline, complain_at = now() + settings.db_wait_s, now()
    while True:
        try:
            return await attempt()
        except DATABASE_FAILURES as error:
            said = f"{type(error).__name__}: {error}"
            if now() >= deadline:
                message = f"no database at {where} after {settings.db_wait_s} s; last: {said}"
                raise DatabaseUnreachable(message) from error
            if now() >= complain_at:
                _log.warning("waiting for the database", extra={"where": where, "error": said})
                complain_at = now() + COMPLAIN_EVERY_S
            await asyncio.sleep(RETRY_S)


async def open_pool(settings: Settings) -> asyncpg.Pool[asyncpg.Record]:
    """Wait for the database, create and migrate it, and open the pool.

    Raises DatabaseUnreachable, or asyncpg's own errors for what waiting cannot mend (a wrong
    password, a missing privilege).
    """
    await _until_reachable(lambda: _prepare(settings), settings)
    pool: asyncpg.Pool[asyncpg.Record] = await asyncpg.create_pool(
        **_address(settings, settings.database),
        min_size=min(2, settings.db_pool),
        max_size=settings.db_pool,
        max_inactive_connection_lifetime=0,
        connection_class=_Connection,
    )
    return pool
