"""For policies that answer a reservation with its decision: nothing is held, nothing is left to
confirm or to give back."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from booking import ledger
from booking.idempotency import Once
from booking.policy import Order, Policy, Record, Surroundings
from booking.problems import ProblemError


class DecidesAtOnce(Policy):
    """Confirming repeats what was decided; cancelling is refused."""

    async def confirm(self, claim_id: str) -> Record:
        return await ledger.find_by_claim(self.around.pool, claim_id)

    async def cancel(self, claim_id: str) -> Record:
        await ledger.find_by_claim(self.around.pool, claim_id)
        detail = f"Policy {self.name} decides at once and holds nothing: claim {claim_id!r} stays."
        raise ProblemError("nothing-to-cancel", detail)


class ReplicatesClaims(DecidesAtOnce):
    """Every server has a database of its own and pushes its claims to the peers. A repeated request
    joins the first, which may still be thinking."""

    shared_database = False
    replicates = True

    def __init__(self, params: Any, around: Surroundings) -> None:
        super().__init__(params, around)
        self._once: Once[Record] = Once()

    async def reserve(self, order: Order) -> Record:
        record = await self._once.run(order.idempotency_key, lambda: self._reserve(order))
        return ledger.same_order(record, order)

    @abstractmethod
    async def _reserve(self, order: Order) -> Record:
        """`reserve`, never twice at once for one idempotency key."""
