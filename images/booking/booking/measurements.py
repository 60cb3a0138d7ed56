"""Table clock_measurements: how wrong the wall clocks were, from chronyd or from the lab."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from booking.chrony import Belief
from booking.comparison import Measurement

_INSERT = """
INSERT INTO clock_measurements (server, wall_ns, raw_ns, error_ns, bound_ns, source, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_BETWEEN = """
SELECT server, wall_ns, raw_ns, error_ns, bound_ns, source, reason FROM clock_measurements
WHERE server = ANY($1) AND (
    raw_ns IS NULL AND wall_ns BETWEEN $2 AND $3 OR raw_ns IS NOT NULL AND raw_ns BETWEEN $4 AND $5
)
LIMIT $6
"""


async def record(connection: Any, measured: Sequence[Measurement]) -> None:
    """Write measurements down."""
    rows = [
        (m.server, m.wall_ns, m.raw_ns, m.error_ns, m.bound_ns, m.source, m.reason)
        for m in measured
    ]
    await connection.executemany(_INSERT, rows)


async def record_belief(connection: Any, server: str, belief: Belief) -> None:
    """Write down what chronyd believes of this server's clock, ignorance included."""
    if belief.asked is None:
        return
    tracking = belief.tracking if belief.state == "ok" else None
    measured = Measurement(
        server=server,
        wall_ns=belief.asked.wall_ns,
        raw_ns=belief.asked.raw_ns,
        error_ns=tracking.offset_ns if tracking else None,
        bound_ns=tracking.error_bound_ns if tracking else None,
        source="chronyd",
        reason=None if tracking else belief.state,
    )
    await record(connection, [measured])


async def between(
    connection: Any,
    servers: Sequence[str],
    wall_ns: tuple[int, int],
    raw_ns: tuple[int, int],
    limit: int,
) -> list[Measurement]:
    """Measurements of `servers` within the given spans, ends included."""
    rows = await connection.fetch(_BETWEEN, list(servers), *wall_ns, *raw_ns, limit)
    return [Measurement(**dict(row)) for row in rows]
