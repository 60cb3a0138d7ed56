"""Policy `commit-wait`: timestamp-order that knows how wrong clocks may be, and waits that long.

δ = lag + ε of this server + the largest ε of its peers, where lag bounds the replication delay and
ε bounds a clock's error by what its own chronyd says: |offset| + root dispersion + root delay / 2.
A server whose chronyd is not synchronised, or whose ε is above a limit, sells nothing (503).
(Google's Spanner waits out its clocks' uncertainty in the same way: J. Corbett et al., "Spanner:
Google's Globally-Distributed Database", 2012.)

A peer's ε must be known when *it* stamps, which is after A has stamped. So servers do not tell
their ε but promise a bound: a server sells only while its ε is within what it has promised, keeps
its promise until it tells another, and sells under a higher one no sooner than lag + the new bound
after telling it. Who has not been heard from counts with the limit: more it cannot have and sell.

B undercuts A when t_B - t_A < θ_A - θ_B <= ε_A + ε_B, and its claim is with A by t_B + lag. If A
knew B's bound when it decided, δ covers it. If not, B promised it less than lag before A decided,
that is at u > t_A + ε_A + (B's bound before), and sells under it no sooner than u + lag + ε_B: too
late to undercut A. So it never double-books, as long as every ε is a true bound and no claim or
promise takes longer than lag. The price is latency and, without NTP, availability.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from dataclasses import dataclass, replace

from booking.chrony import Belief
from booking.clocks import NS, Reading
from booking.policies.timestamp_order import TimestampOrder
from booking.policy import Claim, Order, Surroundings, Verdict
from booking.problems import ProblemError

GROWTH_PPM = 100
"""How fast ε is taken to grow since chronyd was asked: what a computer's crystal drifts at most."""
STALE_NS = 3 * NS
"""A report older than this says nothing about now."""
MARGIN_NS = 1_000_000
HEARTBEAT_S = 0.5
LOOK_S = 0.1


@dataclass(frozen=True)
class Params:
    """`lag_ns`: no claim takes longer to a peer; `limit_ns`: nothing is sold with a higher ε."""

    lag_ns: int
    limit_ns: int


@dataclass(frozen=True, slots=True)
class Promise:
    """That this server sells nothing while its ε is above `bound_ns`, nor before `from_raw_ns`."""

    bound_ns: int
    from_raw_ns: int


def error_bound_ns(belief: Belief, now_raw_ns: int) -> int | None:
    """ε now, by chronyd's last report; None where nothing is certain."""
    if belief.state != "ok" or belief.tracking is None or belief.asked is None:
        return None
    age_ns = now_raw_ns - belief.asked.raw_ns
    if age_ns > STALE_NS:
        return None
    return belief.tracking.error_bound_ns + age_ns * GROWTH_PPM // 1_000_000


def next_promise(
    made: Promise | None, bound_ns: int | None, now_raw_ns: int, params: Params
) -> Promise | None:
    """What to promise from now on, given ε: `made` again unless it is too low, or far too high.

    A promise leaves room for ε to double, so that it is seldom made anew.
    """
    if bound_ns is None or bound_ns > params.limit_ns:
        return made
    wanted_ns = min(2 * bound_ns + MARGIN_NS, params.limit_ns)
    if made is None or bound_ns > made.bound_ns:
        return Promise(wanted_ns, now_raw_ns + params.lag_ns + wanted_ns)
    if 2 * wanted_ns < made.bound_ns and made.from_raw_ns <= now_raw_ns:
        return Promise(wanted_ns, now_raw_ns)
    return made


def may_sell(made: Promise | None, bound_ns: int | None, now_raw_ns: int) -> bool:
    """Whether a claim may be stamped now."""
    if made is None or bound_ns is None:
        return False
    return bound_ns <= made.bound_ns and now_raw_ns >= made.from_raw_ns


def stability_ns(lag_ns: int, own_ns: int, peers_ns: int) -> int:
    """δ of a claim."""
    return lag_ns + own_ns + peers_ns


class Heard:
    """What peers have promised. Pure: `raw_ns` comes from this server's raw clock, `told_raw_ns`
    from the peer's, and only orders what that peer has told."""

    def __init__(self, peers: tuple[str, ...], limit_ns: int, keep_ns: int) -> None:
        self._peers, self._limit_ns, self._keep_ns = peers, limit_ns, keep_ns
        self._told: dict[str, int] = {}
        self._heard: dict[str, list[tuple[int, int]]] = defaultdict(list)

    def hear(self, peer: str, bound_ns: int, told_raw_ns: int, raw_ns: int) -> None:
        """Take in a promise, unless a later one of that peer has come before it."""
        if told_raw_ns < self._told.get(peer, told_raw_ns):
            return
        self._told[peer] = told_raw_ns
        heard = self._heard[peer]
        if not heard or heard[-1][1] != bound_ns:
            heard.append((raw_ns, bound_ns))
        while len(heard) > 1 and heard[1][0] < raw_ns - self._keep_ns:
            del heard[0]

    def largest_since(self, raw_ns: int) -> int:
        """The highest bound in force with any peer at any time since `raw_ns`, as known here."""
        return max((self._largest(peer, raw_ns) for peer in self._peers), default=0)

    def _largest(self, peer: str, raw_ns: int) -> int:
        heard = self._heard[peer]
        known = [bound_ns for at_ns, bound_ns in heard if at_ns >= raw_ns]
        before = [bound_ns for at_ns, bound_ns in heard if at_ns < raw_ns]
        return max([*known, before[-1] if before else self._limit_ns])


class CommitWait(TimestampOrder):
    """Timestamp-order with a wait of its own for every claim."""

    params_type = Params
    params: Params

    def __init__(self, params: Params, around: Surroundings) -> None:
        super().__init__(params, around)
        longest_ns = stability_ns(params.lag_ns, params.limit_ns, params.limit_ns)
        self._heard = Heard(around.peers, params.limit_ns, 2 * longest_ns)
        self._promise: Promise | None = None
        self._telling: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await super().start()
        self._telling = asyncio.create_task(self._tell())

    async def stop(self) -> None:
        if self._telling:
            self._telling.cancel()
            await asyncio.gather(self._telling, return_exceptions=True)

    def hear(self, peer: str, bound_ns: int, raw_ns: int) -> None:
        self._heard.hear(peer, bound_ns, raw_ns, self.around.clock().raw_ns)

    def _learn(self, claim: Claim) -> None:
        super()._learn(claim)
        if claim.origin != self.around.server and claim.bound_ns is not None:
            self.hear(claim.origin, claim.bound_ns, claim.claimed_raw_ns)

    def _stamp(self, order: Order, now: Reading) -> Claim:
        """Raises ProblemError where this server's clock is not certain enough to sell by."""
        bound_ns = error_bound_ns(self.around.belief(), now.raw_ns)
        self._promise_anew(bound_ns, now.raw_ns)
        if self._promise is None or not may_sell(self._promise, bound_ns, now.raw_ns):
            raise ProblemError("clock-uncertain", self._why(bound_ns))
        return replace(super()._stamp(order, now), bound_ns=self._promise.bound_ns)

    def _why(self, bound_ns: int | None) -> str:
        if bound_ns is None:
            belief = self.around.belief()
            return f"Nothing is sold: {belief.reason or belief.state}."
        if bound_ns > self.params.limit_ns:
            may_be, limit = f"{bound_ns / 1e6:.3f} ms", f"{self.params.limit_ns / 1e6:g} ms"
            return f"Nothing is sold: the clock may be {may_be} off, the limit is {limit}."
        return "Nothing is sold until all peers know how far this server's clock may be off."

    def _stability_ns(self, claim: Claim) -> int:
        peers_ns = self._heard.largest_since(claim.claimed_raw_ns)
        return stability_ns(self.params.lag_ns, claim.bound_ns or 0, peers_ns)

    def _decide(self, claim: Claim) -> Verdict:
        peers_ns = self._heard.largest_since(claim.claimed_raw_ns)
        return replace(super()._decide(claim), peers_bound_ns=peers_ns)

    def _promise_anew(self, bound_ns: int | None, now_raw_ns: int) -> None:
        promise = next_promise(self._promise, bound_ns, now_raw_ns, self.params)
        if promise is not None and promise != self._promise:
            self._promise = promise
            self.around.outbox.promise(promise.bound_ns, now_raw_ns)

    async def _tell(self) -> None:
        """Keep the promise up to ε; repeat it for peers that were not there to hear it."""
        loop = asyncio.get_running_loop()
        told_at = loop.time()
        while True:
            now = self.around.clock()
            self._promise_anew(error_bound_ns(self.around.belief(), now.raw_ns), now.raw_ns)
            if self._promise and loop.time() - told_at >= HEARTBEAT_S:
                told_at = loop.time()
                self.around.outbox.promise(self._promise.bound_ns, now.raw_ns)
            await asyncio.sleep(LOOK_S)


POLICY = CommitWait
