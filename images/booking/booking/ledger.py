"""What is written down and read back: claims and verdicts, the same for every policy.

Policies with a faster way (one statement for everything) build it from the column lists here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import asyncpg

from booking.policy import Claim, Hold, Order, Record, Verdict
from booking.problems import ProblemError

Connection = Any
"""asyncpg's pool, or a connection of it inside a transaction: both take the same calls."""

CLAIM_COLUMNS = (
    "claim_id, idempotency_key, origin, holder_server, policy, phase, seat, buyer, stamp_ns, "
    "claimed_raw_ns, received_raw_ns"
)
STAMP_COLUMNS = "logical, claimed_wall_ns, bound_ns"
"""Columns of claims that only some policies fill."""
VERDICT_COLUMNS = (
    "claim_id, server, answered, decision, receipt_id, decided_wall_ns, decided_raw_ns, "
    "stability_ns, hold_granted_ns, hold_expires_ns, ttl_ns, fencing_token, judged_ns, "
    "peers_bound_ns"
)

_SELECT = """
SELECT c.claim_id, c.origin, c.policy, c.phase, c.seat, c.buyer, c.stamp_ns, c.claimed_raw_ns,
       c.logical, c.claimed_wall_ns, c.bound_ns,
       r.server, r.answered, r.decision, r.receipt_id, r.decided_wall_ns, r.decided_raw_ns,
       r.stability_ns, r.hold_granted_ns, r.hold_expires_ns, r.ttl_ns, r.fencing_token,
       r.judged_ns, r.peers_bound_ns
FROM claims c LEFT JOIN reservations r USING (claim_id)
"""
_BY_KEY = _SELECT + "WHERE c.idempotency_key = $1"
_BY_CLAIM = _SELECT + "WHERE c.claim_id = $1"

_INSERT_CLAIM = f"""
INSERT INTO claims ({CLAIM_COLUMNS}, {STAMP_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (claim_id) DO NOTHING
"""
_INSERT_VERDICT = f"""
INSERT INTO reservations ({VERDICT_COLUMNS})
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
ON CONFLICT (claim_id) DO NOTHING
RETURNING 1
"""
_UPDATE_VERDICT = """
UPDATE reservations SET decision = $2, receipt_id = $3, decided_wall_ns = $4, decided_raw_ns = $5,
    judged_ns = $6
WHERE claim_id = $1
"""


def claim_of(row: asyncpg.Record) -> Claim:
    """The claim in a row of table claims."""
    return Claim(
        row["claim_id"], row["origin"], row["phase"], row["seat"], row["buyer"],
        row["stamp_ns"], row["claimed_raw_ns"], row["logical"], row["claimed_wall_ns"],
        row["bound_ns"],
    )  # fmt: skip


def _record(row: asyncpg.Record) -> Record:
    if row["decision"] is None:
        return Record(claim_of(row), row["policy"], None)
    hold = None
    if row["hold_granted_ns"] is not None:
        granted_ns, expires_ns = row["hold_granted_ns"], row["hold_expires_ns"]
        hold = Hold(granted_ns, expires_ns, row["ttl_ns"], row["fencing_token"])
    verdict = Verdict(
        row["server"], row["answered"], row["decision"], row["receipt_id"],
        row["decided_wall_ns"], row["decided_raw_ns"], row["stability_ns"], hold,
        row["judged_ns"], row["peers_bound_ns"],
    )  # fmt: skip
    return Record(claim_of(row), row["policy"], verdict)


async def find_by_key(connection: Connection, key: str) -> Record | None:
    """What this idempotency key has led to."""
    row = await connection.fetchrow(_BY_KEY, key)
    return _record(row) if row else None


async def find_by_claim(connection: Connection, claim_id: str, *, lock: bool = False) -> Record:
    """The record of a claim, its verdict locked if asked. Raises ProblemError if there is none."""
    row = None
    if lock:
        # By itself, before the joined row is read: the join would show the state before the wait.
        query = "SELECT 1 FROM reservations WHERE claim_id = $1 FOR UPDATE"
        await connection.fetchrow(query, claim_id)
    row = await connection.fetchrow(_BY_CLAIM, claim_id)
    if not row:
        raise ProblemError("unknown-claim", f"No claim {claim_id!r} is known here.")
    return _record(row)


async def write_claims(
    connection: Connection,
    holder: str,
    policy: str,
    claims: Sequence[Claim],
    received_raw_ns: int,
    key: str | None = None,
) -> None:
    """Write claims down as known to `holder` since `received_raw_ns`; known ones stay as they are.

    `key` is the idempotency key, for this server's own claims. Raises UniqueViolationError when
    the key has been used.
    """
    rows = [
        (c.claim_id, key, c.origin, holder, policy, c.phase, c.seat, c.buyer, c.stamp_ns,
         c.claimed_raw_ns, received_raw_ns, c.logical, c.claimed_wall_ns, c.bound_ns)
        for c in claims
    ]  # fmt: skip
    if len(rows) == 1:
        await connection.execute(_INSERT_CLAIM, *rows[0])
    else:
        await connection.executemany(_INSERT_CLAIM, rows)


async def write_verdict(connection: Connection, claim_id: str, verdict: Verdict) -> bool:
    """Write a first decision down; false when there is one already, which stays."""
    hold = verdict.hold
    written = await connection.fetchval(
        _INSERT_VERDICT, claim_id, verdict.server, verdict.answered, verdict.decision,
        verdict.receipt_id, verdict.decided_wall_ns, verdict.decided_raw_ns, verdict.stability_ns,
        hold and hold.granted_ns, hold and hold.expires_ns, hold and hold.ttl_ns,
        hold and hold.token, verdict.judged_ns, verdict.peers_bound_ns,
    )  # fmt: skip
    return written is not None


async def change_verdict(connection: Connection, claim_id: str, verdict: Verdict) -> None:
    """Write down what became of a hold."""
    await connection.execute(
        _UPDATE_VERDICT, claim_id, verdict.decision, verdict.receipt_id,
        verdict.decided_wall_ns, verdict.decided_raw_ns, verdict.judged_ns,
    )  # fmt: skip


def same_order(record: Record, order: Order) -> Record:
    """`record` if `order` is what made it. Raises ProblemError when its key is used for another."""
    was = record.claim
    if (was.seat, was.buyer, was.phase) != (order.seat, order.buyer, order.phase):
        detail = f"Key {order.idempotency_key!r} came before with another seat, buyer or phase."
        raise ProblemError("idempotency-key-reused", detail)
    return record
