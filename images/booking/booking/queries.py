"""Reads for `/get_reservations` and `/compare_reservations`: filters in, rows out, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from booking.clocks import NS, iso
from booking.comparison import Stamped
from booking.models import INT64, Reservation
from booking.problems import ProblemError

COMPARED_CLAIMS_MAX = 20_000

_RESERVATIONS = """
SELECT r.number, r.receipt_id, r.claim_id, r.server, c.policy, c.phase, c.seat, c.buyer,
       c.stamp_ns, c.claimed_raw_ns, r.decision, r.decided_wall_ns, r.decided_raw_ns,
       r.stability_ns, r.hold_granted_ns, r.hold_expires_ns, r.ttl_ns
FROM reservations r JOIN claims c USING (claim_id)
WHERE ($1::text IS NULL OR c.seat = $1) AND ($2::text IS NULL OR r.server = $2)
  AND ($3::text IS NULL OR c.phase = $3) AND c.stamp_ns >= $4 AND c.stamp_ns < $5
  AND r.number > $6
ORDER BY r.number LIMIT $7
"""
_CLAIMS = """
SELECT c.claim_id, c.origin AS server, c.buyer, c.seat, c.phase, c.stamp_ns,
       c.claimed_raw_ns AS raw_ns, r.decision, r.receipt_id, c.claimed_wall_ns
FROM claims c LEFT JOIN reservations r USING (claim_id)
WHERE ($1::text IS NULL OR c.seat = $1) AND ($2::text IS NULL OR c.origin = $2)
  AND ($3::text IS NULL OR c.phase = $3) AND c.stamp_ns >= $4 AND c.stamp_ns < $5
ORDER BY c.seat, c.claim_id LIMIT $6
"""


@dataclass(frozen=True)
class Filters:
    """What to look at; times are wall-clock stamps, `from_ns` included, `to_ns` not."""

    seat: str | None
    server: str | None
    phase: str | None
    from_ns: int
    to_ns: int


def parse_time(name: str, text: str | None, default_ns: int) -> int:
    """Nanoseconds since the epoch from digits or RFC 3339 with an offset. Raises ProblemError."""
    if text is None:
        return default_ns
    try:
        if text.lstrip("-").isdigit():
            wall_ns = int(text)
        else:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise ValueError("an offset such as Z is missing")
            since = moment - datetime(1970, 1, 1, tzinfo=UTC)
            wall_ns = (since.days * 86_400 + since.seconds) * NS + since.microseconds * 1_000
    except ValueError as error:
        detail = f"query.{name}: neither nanoseconds nor an RFC 3339 time: {error}"
        raise ProblemError("invalid-request", detail) from error
    if abs(wall_ns) > INT64:
        raise ProblemError("invalid-request", f"query.{name}: beyond 64 bits of nanoseconds")
    return wall_ns


async def reservations(
    connection: Any, filters: Filters, after: int, limit: int
) -> tuple[list[Reservation], int | None]:
    """Up to `limit` reservations recorded after number `after`, and where the next page starts."""
    f = filters
    rows = await connection.fetch(
        _RESERVATIONS, f.seat, f.server, f.phase, f.from_ns, f.to_ns, after, limit + 1
    )
    page = rows[:limit]
    found = [Reservation(stamp=iso(row["stamp_ns"]), **_without(row, "number")) for row in page]
    return found, page[-1]["number"] if len(rows) > limit else None


def _without(row: Any, name: str) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != name}


async def claims(connection: Any, filters: Filters) -> tuple[list[Stamped], bool]:
    """Claims by seat, and whether there are more than one comparison takes."""
    f = filters
    rows: Sequence[Any] = await connection.fetch(
        _CLAIMS, f.seat, f.server, f.phase, f.from_ns, f.to_ns, COMPARED_CLAIMS_MAX + 1
    )
    found = [Stamped(**dict(row)) for row in rows[:COMPARED_CLAIMS_MAX]]
    return found, len(rows) > COMPARED_CLAIMS_MAX
