"""Policy `last-write-wins`: every server says yes at once, replicas keep the highest stamp.

Each server has its own database. A claim on a seat of which this server knows no claim is
confirmed there and then, and pushed to the peers; a replica that learns of two claims on a seat
keeps the one with the higher (stamp, server) and forgets the other, whose buyer nobody tells.

Of A and B, claimed in this order on two servers, both are confirmed exactly when B claimed before
A's claim had come: t_B - t_A < lag. No clock is in that, so NTP neither helps nor hurts. What the
clocks decide is whose seat it is in the end: B's, the last, if they are right, and A's where
θ_A - θ_B > t_B - t_A.
"""

from __future__ import annotations

from collections.abc import Sequence

from booking import ledger
from booking.policies.timestamp_order import order_key
from booking.policy import Claim, Decision, NoParams, Order, Record, Surroundings, Verdict
from booking.policy_at_once import ReplicatesClaims

SCHEMA = """
CREATE TABLE registers (                 -- what a reader of this replica is told
    seat     text PRIMARY KEY,
    claim_id text NOT NULL,
    origin   text COLLATE "C" NOT NULL,
    stamp_ns bigint NOT NULL
)
"""
_KEEP = """
INSERT INTO registers (seat, claim_id, origin, stamp_ns) VALUES ($1, $2, $3, $4)
ON CONFLICT (seat) DO UPDATE
SET claim_id = excluded.claim_id, origin = excluded.origin, stamp_ns = excluded.stamp_ns
WHERE (excluded.stamp_ns, excluded.origin) > (registers.stamp_ns, registers.origin)
"""
_KEPT = """
SELECT c.claim_id, c.origin, c.phase, c.seat, c.buyer, c.stamp_ns, c.claimed_raw_ns, c.logical,
       c.claimed_wall_ns, c.bound_ns
FROM claims c JOIN registers USING (claim_id)
"""


def decide(known: Claim | None) -> Decision:
    """A seat is free as long as no claim on it is known here."""
    return "confirmed" if known is None else "rejected"


def surviving(known: Claim | None, learned: Claim) -> Claim:
    """The claim that a replica keeps: the higher by (stamp, server)."""
    return learned if known is None or order_key(learned) > order_key(known) else known


class LastWriteWins(ReplicatesClaims):
    """Knows every seat's register in memory, and writes it down behind the answer's record.

    Deciding and learning each read the clock and touch `_kept` without a pause, so that recorded
    times are in the order in which things happened.
    """

    migrations = (SCHEMA,)
    params_type = NoParams

    def __init__(self, params: NoParams, around: Surroundings) -> None:
        super().__init__(params, around)
        self._kept: dict[str, Claim] = {}
        self._unwritten: dict[str, Record] = {}

    async def start(self) -> None:
        for row in await self.around.pool.fetch(_KEPT):
            claim = ledger.claim_of(row)
            self._kept[claim.seat] = surviving(self._kept.get(claim.seat), claim)

    async def receive(self, claims: Sequence[Claim]) -> None:
        received_raw_ns = self.around.clock().raw_ns
        for claim in claims:
            self._kept[claim.seat] = surviving(self._kept.get(claim.seat), claim)
        around = self.around
        async with around.pool.acquire() as connection, connection.transaction():
            await ledger.write_claims(connection, around.server, self.name, claims, received_raw_ns)
            await self._keep(connection, claims)

    async def _reserve(self, order: Order) -> Record:
        key, around = order.idempotency_key, self.around
        found = await ledger.find_by_key(around.pool, key)
        if found:
            self._unwritten.pop(key, None)
            return found
        record = self._unwritten.get(key) or self._decide(order)
        self._unwritten[key] = record  # until it is written down, a repetition finds it here
        claim, verdict = record.claim, record.verdict
        assert verdict is not None
        async with around.pool.acquire() as connection, connection.transaction():
            own = [claim], claim.claimed_raw_ns, key
            await ledger.write_claims(connection, around.server, self.name, *own)
            await ledger.write_verdict(connection, claim.claim_id, verdict)
            if verdict.decision == "confirmed":
                await self._keep(connection, [claim])
        self._unwritten.pop(key, None)
        return record

    def _decide(self, order: Order) -> Record:
        now, around = self.around.clock(), self.around
        claim = Claim(
            around.new_id(), around.server, order.phase, order.seat, order.buyer,
            now.wall_ns, now.raw_ns,
        )  # fmt: skip
        decision = decide(self._kept.get(order.seat))
        receipt_id = None
        if decision == "confirmed":
            receipt_id = around.new_id()
            self._kept[order.seat] = claim
            around.outbox.push(claim)
        verdict = Verdict(around.server, decision, decision, receipt_id, now.wall_ns, now.raw_ns)
        return Record(claim, self.name, verdict)

    async def _keep(self, connection: ledger.Connection, claims: Sequence[Claim]) -> None:
        rows = [(c.seat, c.claim_id, c.origin, c.stamp_ns) for c in claims]
        await connection.executemany(_KEEP, rows)


POLICY = LastWriteWins
