"""Policy `unique`: one row per seat in a shared database, a unique constraint decides.

It never double-books, whatever any clock says: stamps are written down and never compared. The
control of every experiment, and the hot path that is measured against pgbench: one statement, one
round trip, the idempotency key included.
"""

from __future__ import annotations

from booking import ledger
from booking.policy import Claim, Decision, NoParams, Order, Record, Verdict
from booking.policy_at_once import DecidesAtOnce

RESERVE = f"""
WITH claim AS (
    INSERT INTO claims ({ledger.CLAIM_COLUMNS})
    VALUES ($1, $2, $3, $3, 'unique', $4, $5, $6, $7, $8, $8)
    ON CONFLICT (idempotency_key) DO NOTHING
    RETURNING claim_id, seat
), taken AS (
    INSERT INTO seats (seat, claim_id) SELECT seat, claim_id FROM claim
    ON CONFLICT (seat) DO NOTHING
    RETURNING claim_id
), outcome AS (
    SELECT claim.claim_id, taken.claim_id IS NOT NULL AS won
    FROM claim LEFT JOIN taken USING (claim_id)
), verdict AS (
    SELECT claim_id, won, CASE WHEN won THEN 'confirmed' ELSE 'rejected' END AS decision
    FROM outcome
)
INSERT INTO reservations (
    claim_id, server, answered, decision, receipt_id, decided_wall_ns, decided_raw_ns
)
SELECT claim_id, $3, decision, decision, CASE WHEN won THEN $9 END, $7, $8 FROM verdict
RETURNING receipt_id IS NOT NULL AS won
"""


def decide(row_inserted: bool) -> Decision:
    """The seat is this claim's if the row of the seat could be inserted for it."""
    return "confirmed" if row_inserted else "rejected"


class Unique(DecidesAtOnce):
    """`RESERVE` says the same as `decide`, inside the database."""

    shared_database = True
    migrations = ("CREATE TABLE seats (seat text PRIMARY KEY, claim_id text NOT NULL)",)
    params_type = NoParams

    async def reserve(self, order: Order) -> Record:
        around = self.around
        now, claim_id, receipt_id = around.clock(), around.new_id(), around.new_id()
        won = await around.pool.fetchval(
            RESERVE, claim_id, order.idempotency_key, around.server, order.phase, order.seat,
            order.buyer, now.wall_ns, now.raw_ns, receipt_id,
        )  # fmt: skip
        if won is None:
            found = await ledger.find_by_key(around.pool, order.idempotency_key)
            assert found is not None  # the statement above conflicted with it, nothing deletes it
            return ledger.same_order(found, order)
        claim = Claim(
            claim_id, around.server, order.phase, order.seat, order.buyer, now.wall_ns, now.raw_ns
        )
        decision = decide(won)
        receipt = receipt_id if won else None
        verdict = Verdict(around.server, decision, decision, receipt, now.wall_ns, now.raw_ns)
        return Record(claim, self.name, verdict)


POLICY = Unique
