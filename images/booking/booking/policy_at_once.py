"""For policies that answer a reservation with its decision: nothing is held, nothing is left to
confirm or to give back."""

from __future__ import annotations

from booking import ledger
from booking.policy import Policy, Record
from booking.problems import ProblemError


class DecidesAtOnce(Policy):
    """Confirming repeats what was decided; cancelling is refused."""

    async def confirm(self, claim_id: str) -> Record:
        return await ledger.find_by_claim(self.around.pool, claim_id)

    async def cancel(self, claim_id: str) -> Record:
        await ledger.find_by_claim(self.around.pool, claim_id)
        detail = f"Policy {self.name} decides at once and holds nothing: claim {claim_id!r} stays."
        raise ProblemError("nothing-to-cancel", detail)
