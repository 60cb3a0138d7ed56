"""Policy `timestamp-order`: every server has its own database, the lowest wall-clock stamp wins.

A claim is stamped with this server's wall clock, kept, and pushed to all peers at once. After the
stability wait (δ, `stability_ns`) the lowest (stamp, server) that is known for the seat has it.

Both of two claims are confirmed exactly when the one that is higher in that order is decided
before the lower one has reached its server. So for claims A and B on two servers, in lab time:

- stamps inverted (B comes later, its stamp is lower: 0 < t_B - t_A < θ_A - θ_B) and B's claim
  reached A after A had decided (δ - lag < t_B - t_A), or
- stamps not inverted, and A's claim reached B after B had decided (lag > δ + t_B - t_A).

The rule is taken literally: who holds the seat already is never looked at. When the wall clock of
one server steps back, a claim after the step undercuts one that was confirmed before it, on that
same server. That is this policy's own flaw, and one of the things it is here to show.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from booking import ledger
from booking.clocks import NS, Reading
from booking.policy import Claim, Decision, Order, Record, Surroundings, Verdict
from booking.policy_at_once import ReplicatesClaims

SLEEP_NS_MIN = 1_000_000
"""The event loop's timers count milliseconds; a shorter sleep would return at once."""

_LOWEST_OF_EACH_SEAT = """
SELECT DISTINCT ON (seat)
       claim_id, origin, phase, seat, buyer, stamp_ns, claimed_raw_ns, logical, claimed_wall_ns,
       bound_ns
FROM claims ORDER BY seat, stamp_ns, logical, origin COLLATE "C", received_raw_ns
"""


@dataclass(frozen=True)
class Params:
    """`stability_ns`: how long a claim waits for lower stamps before it is decided (δ)."""

    stability_ns: int


def order_key(claim: Claim) -> tuple[int, int, str]:
    """What claims on a seat are ordered by: (stamp, server). The middle one is 0 but for stamps
    of a hybrid logical clock."""
    return claim.stamp_ns, claim.logical, claim.origin


def lower(known: Claim | None, learned: Claim) -> Claim:
    """The claim that has the seat, of the lowest known so far and one just learned.

    A tie is possible only within one server (its clock stands still): the earlier known one stays.
    """
    return learned if known is None or order_key(learned) < order_key(known) else known


def stable_at_raw_ns(claim: Claim, stability_ns: int) -> int:
    """When `claim` may be decided, on its own server's raw clock."""
    return claim.claimed_raw_ns + stability_ns


def decide(claim: Claim, lowest_known: Claim) -> Decision:
    """`claim` has the seat if nothing lower is known for it."""
    return "confirmed" if lowest_known.claim_id == claim.claim_id else "rejected"


class TimestampOrder(ReplicatesClaims):
    """Keeps the lowest claim of every seat in memory, so that what is known has an exact instant.

    Learning of a claim and deciding on one each read the clock and touch `_lowest` without a pause
    in between, on one event loop: the raw times on record are in the order in which things
    happened, which a round trip to the database could not promise.
    """

    params_type: ClassVar[type[Any]] = Params
    params: Any

    def __init__(self, params: Any, around: Surroundings) -> None:
        super().__init__(params, around)
        self._lowest: dict[str, Claim] = {}
        self._unsettled: dict[str, Claim] = {}

    async def start(self) -> None:
        for row in await self.around.pool.fetch(_LOWEST_OF_EACH_SEAT):
            self._learn(ledger.claim_of(row))

    async def receive(self, claims: Sequence[Claim]) -> None:
        received_raw_ns = self.around.clock().raw_ns
        for claim in claims:
            self._learn(claim)
        around = self.around
        await ledger.write_claims(around.pool, around.server, self.name, claims, received_raw_ns)

    def _learn(self, claim: Claim) -> None:
        self._lowest[claim.seat] = lower(self._lowest.get(claim.seat), claim)

    async def _reserve(self, order: Order) -> Record:
        pool, key = self.around.pool, order.idempotency_key
        found = await ledger.find_by_key(pool, key)
        if found and found.verdict:
            self._unsettled.pop(key, None)
            return found
        # Without a verdict: the server or its database failed half-way, the claim goes on.
        claim = found.claim if found else self._unsettled.get(key) or self._claim(order)
        if found is None:
            own = [claim], claim.claimed_raw_ns, key
            await ledger.write_claims(pool, self.around.server, self.name, *own)
        await self._wait(claim)
        verdict = self._decide(claim)
        written = await ledger.write_verdict(pool, claim.claim_id, verdict)
        self._unsettled.pop(key, None)
        if not written:  # a failed write had arrived after all
            return await ledger.find_by_claim(pool, claim.claim_id)
        return Record(claim, self.name, verdict)

    def _claim(self, order: Order) -> Claim:
        claim = self._stamp(order, self.around.clock())
        self._learn(claim)
        self._unsettled[order.idempotency_key] = claim
        self.around.outbox.push(claim)
        return claim

    def _stamp(self, order: Order, now: Reading) -> Claim:
        """The claim that `order` makes at `now`."""
        return Claim(
            self.around.new_id(), self.around.server, order.phase, order.seat, order.buyer,
            now.wall_ns, now.raw_ns,
        )  # fmt: skip

    def _stability_ns(self, claim: Claim) -> int:
        """How long `claim` waits, as far as is known by now."""
        stability_ns: int = self.params.stability_ns
        return stability_ns

    async def _wait(self, claim: Claim) -> None:
        def left_ns() -> int:
            stable_ns = stable_at_raw_ns(claim, self._stability_ns(claim))
            return stable_ns - self.around.clock().raw_ns

        while (left := left_ns()) > 0:
            await asyncio.sleep(max(left, SLEEP_NS_MIN) / NS)

    def _decide(self, claim: Claim) -> Verdict:
        now = self.around.clock()
        decision = decide(claim, lower(self._lowest.get(claim.seat), claim))
        receipt_id = self.around.new_id() if decision == "confirmed" else None
        return Verdict(
            self.around.server, decision, decision, receipt_id,
            now.wall_ns, now.raw_ns, self._stability_ns(claim),
        )  # fmt: skip


POLICY = TimestampOrder
