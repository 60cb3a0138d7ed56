"""Policy `lease`: a shared database, a lease on the seat until wall-clock now + ttl.

A server grants a lease when there is none, or when the one there has expired by *its own* wall
clock. The server that granted a lease confirms as long as *its own* clock says the lease lives,
without looking whose the seat is by now.

A and B, granted in this order, are both confirmed exactly when B's clock is so far ahead of A's
that B finds A's lease expired while A does not: θ_B - θ_A > what was left of A's lease (by A's
clock) when B took it, and A is confirmed after that.

The row of the seat is locked while clocks are read, on granting and on confirming. That decides
nothing; it makes the times on record follow the order in which things happened.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import asyncpg

from booking import ledger
from booking.clocks import Reading
from booking.policy import Claim, Decision, Hold, Order, Policy, Record, Verdict
from booking.problems import ProblemError

SCHEMA = """
CREATE TABLE IF NOT EXISTS leases (
    seat       text PRIMARY KEY,
    claim_id   text,                            -- who holds the lease; null when nobody does
    expires_ns bigint,                          -- by the clock that the policy judges by
    sold       boolean NOT NULL DEFAULT false   -- some holder was confirmed
)
"""
TOKEN = "ALTER TABLE leases ADD COLUMN IF NOT EXISTS token bigint NOT NULL DEFAULT 0"
"""How many leases of the seat were granted. Written down by all, compared by lease-fenced."""
_LOCK_OR_CREATE = """
INSERT INTO leases (seat) VALUES ($1) ON CONFLICT (seat) DO UPDATE SET seat = excluded.seat
RETURNING claim_id, expires_ns, sold
"""
_LOCK = "SELECT token FROM leases WHERE seat = $1 FOR UPDATE"
_GRANT = """
UPDATE leases SET claim_id = $2, expires_ns = $3, token = token + 1 WHERE seat = $1
RETURNING token
"""
_SELL = "UPDATE leases SET sold = true WHERE seat = $1"
_RELEASE = """
UPDATE leases SET claim_id = NULL, expires_ns = NULL WHERE seat = $1 AND claim_id = $2
"""


@dataclass(frozen=True)
class Params:
    """`ttl_ns`: how long a lease lasts, by the wall clock of the server that grants it."""

    ttl_ns: int


@dataclass(frozen=True, slots=True)
class Lease:
    """What the seat's row says: when its lease ends (None: no lease), and whether it is sold.

    Times are readings of the clock that the policy judges by: here, and in the functions below,
    the wall clock of whoever asks.
    """

    expires_ns: int | None
    sold: bool


def expired(expires_ns: int, judged_ns: int) -> bool:
    """Whether a lease is over by a clock that shows `judged_ns`; it lives through its last ns."""
    return judged_ns > expires_ns


def decide_reserve(lease: Lease, judged_ns: int) -> Decision:
    """Grant if the seat is not sold and its lease is absent or over by *this* server's clock."""
    if lease.sold:
        return "rejected"
    free = lease.expires_ns is None or expired(lease.expires_ns, judged_ns)
    return "held" if free else "rejected"


def decide_confirm(expires_ns: int, judged_ns: int) -> Decision:
    """Confirm while the granting server's own clock says that the lease lives."""
    return "expired" if expired(expires_ns, judged_ns) else "confirmed"


class LeasePolicy(Policy):
    """Each step is one transaction around one decision.

    The other lease policies are this one with another clock (`_judged_ns`) or another decision
    (`_confirm`).
    """

    shared_database = True
    migrations = (SCHEMA, TOKEN)
    params_type = Params
    params: Params

    async def _judged_ns(self, connection: ledger.Connection, now: Reading) -> int:
        """What the clock shows that leases are granted and judged by."""
        return now.wall_ns

    def _confirm(self, hold: Hold, judged_ns: int, token_now: int) -> Decision:
        """What becomes of `hold`; `token_now` is that of the seat's newest lease."""
        return decide_confirm(hold.expires_ns, judged_ns)

    async def reserve(self, order: Order) -> Record:
        found = await ledger.find_by_key(self.around.pool, order.idempotency_key)
        if not found:
            try:
                return await self._grant(order)
            except asyncpg.UniqueViolationError:  # the same key, at the same time
                found = await ledger.find_by_key(self.around.pool, order.idempotency_key)
                assert found is not None
        return ledger.same_order(found, order)

    async def confirm(self, claim_id: str) -> Record:
        async with self.around.pool.acquire() as connection, connection.transaction():
            record, verdict, hold = await self._own(connection, claim_id)
            if verdict.decision != "held" or hold is None:
                return record
            token_now = await connection.fetchval(_LOCK, record.claim.seat)
            now = self.around.clock()
            judged_ns = await self._judged_ns(connection, now)
            decision = self._confirm(hold, judged_ns, token_now)
            if decision == "confirmed":
                await connection.execute(_SELL, record.claim.seat)
            verdict = replace(verdict, judged_ns=judged_ns)
            return await self._change(connection, record, verdict, decision, now)

    async def cancel(self, claim_id: str) -> Record:
        async with self.around.pool.acquire() as connection, connection.transaction():
            record, verdict, _ = await self._own(connection, claim_id)
            if verdict.decision == "cancelled":
                return record
            if verdict.decision != "held":
                detail = f"Claim {claim_id!r} is {verdict.decision}: there is no hold to give back."
                confirmed = verdict.decision == "confirmed"
                name = "already-confirmed" if confirmed else "nothing-to-cancel"
                raise ProblemError(name, detail)
            await connection.execute(_RELEASE, record.claim.seat, claim_id)
            now = self.around.clock()
            return await self._change(connection, record, verdict, "cancelled", now)

    async def _grant(self, order: Order) -> Record:
        around = self.around
        async with around.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(_LOCK_OR_CREATE, order.seat)
            assert row is not None
            now = around.clock()
            judged_ns = await self._judged_ns(connection, now)
            decision = decide_reserve(Lease(row["expires_ns"], row["sold"]), judged_ns)
            claim = Claim(
                around.new_id(), around.server, order.phase, order.seat, order.buyer,
                now.wall_ns, now.raw_ns,
            )  # fmt: skip
            hold = None
            if decision == "held":
                expires_ns = judged_ns + self.params.ttl_ns
                token = await connection.fetchval(_GRANT, order.seat, claim.claim_id, expires_ns)
                hold = Hold(judged_ns, expires_ns, self.params.ttl_ns, token)
            verdict = Verdict(
                around.server, decision, decision, None, now.wall_ns, now.raw_ns, hold=hold,
                judged_ns=judged_ns,
            )  # fmt: skip
            own = [claim], now.raw_ns, order.idempotency_key
            await ledger.write_claims(connection, around.server, self.name, *own)
            await ledger.write_verdict(connection, claim.claim_id, verdict)
        return Record(claim, self.name, verdict)

    async def _own(
        self, connection: ledger.Connection, claim_id: str
    ) -> tuple[Record, Verdict, Hold | None]:
        """The record of a claim that this server has granted or refused, locked."""
        record = await ledger.find_by_claim(connection, claim_id, lock=True)
        if record.claim.origin != self.around.server:
            detail = f"Claim {claim_id!r} belongs to server {record.claim.origin!r}; ask there."
            raise ProblemError("wrong-server", detail, {"server": record.claim.origin})
        assert record.verdict is not None  # claims and verdicts are written together here
        return record, record.verdict, record.verdict.hold

    async def _change(
        self,
        connection: ledger.Connection,
        record: Record,
        verdict: Verdict,
        decision: Decision,
        now: Reading,
    ) -> Record:
        changed = replace(
            verdict,
            decision=decision,
            receipt_id=self.around.new_id() if decision == "confirmed" else None,
            decided_wall_ns=now.wall_ns,
            decided_raw_ns=now.raw_ns,
        )
        await ledger.change_verdict(connection, record.claim.claim_id, changed)
        return replace(record, verdict=changed)


POLICY = LeasePolicy
