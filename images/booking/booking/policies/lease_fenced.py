"""Policy `lease-fenced`: policy `lease`, with a fencing token that a confirmation must still match.

Every lease of a seat has a number, one higher than that of the lease before (a fencing token:
M. Kleppmann, "How to do distributed locking", 2016). A confirmation needs the hold to live by the
granting server's clock, as in `lease`, and its token to be the seat's newest, which the database
says under a lock.

It never double-books, whatever any clock says. A was confirmed only if no lease was granted after
A's; and once A is confirmed the seat is sold and never leased again. Wrong clocks only decide who
loses: a hold is taken over too early, and its buyer is told so.
"""

from __future__ import annotations

from booking.policies.lease import LeasePolicy, expired
from booking.policy import Decision, Hold


def decide_confirm(hold: Hold, judged_ns: int, token_now: int) -> Decision:
    """Confirm while the lease lives by the granting server's clock and nobody has had one since."""
    if hold.token != token_now:
        return "rejected"
    return "expired" if expired(hold.expires_ns, judged_ns) else "confirmed"


class LeaseFenced(LeasePolicy):
    """The lease policy with the decision above."""

    def _confirm(self, hold: Hold, judged_ns: int, token_now: int) -> Decision:
        return decide_confirm(hold, judged_ns, token_now)


POLICY = LeaseFenced
