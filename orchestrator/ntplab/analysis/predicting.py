"""Theory beside measurement: how many seats theory says are sold twice, and how many were.

The prediction is made from measured clock errors, measured replication delays, waits that came out
longer than they should, and the arrivals that there really were (`theory.py`); who was told what
does not enter it. So it says more than the
explanations do: those ask of the seats that were sold twice whether the condition held, this asks
of every contested seat whether it held, and so also of those on which nothing happened.

A message that a server's own list does not know never came there. Where that list is not in
evidence, the seat is played with each of `LAGS` delays out of the phase's distribution, and counts
with the share of them that sell it twice.

The prediction is held against the 95 % interval of what was observed. Outside it, theory and lab
disagree, and that is told.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from .claims import Claim
from .explain import World
from .intervals import wilson
from .results import Prediction
from .theory import DATABASE, THEORIES, Conditions, Offer, Theory

NEVER_NS = 2**62
"""later than any lab time"""
SEATS_MAX = 5_000
"""contested seats that are played in one phase, one by one; of more than that a sample is played,
and the others are counted as left out"""


def held_against(
    *,
    condition: str,
    numbers_ns: dict[str, int | None],
    seats: int,
    left_out: int,
    expected: float,
    observed: int,
    surprises: int,
) -> Prediction:
    """The prediction for at least one seat, with the interval of what was observed."""
    low, high = wilson(observed, seats)
    rate = expected / seats
    return Prediction(
        condition=condition,
        numbers_ns=numbers_ns,
        seats=seats,
        left_out=left_out,
        expected=expected,
        rate=rate,
        observed=observed,
        observed_rate=observed / seats,
        ci95=(low, high),
        disagreements=int(not low <= rate <= high),
        surprises=surprises,
    )


def pooled(predictions: Iterable[Prediction | None]) -> Prediction | None:
    """Several trials as one: counts summed and held against the interval of all; of the numbers
    that went in, the largest."""
    made = [one for one in predictions if one is not None]
    if not made:
        return None
    names = dict.fromkeys(name for one in made for name in one.numbers_ns)
    return held_against(
        condition=made[0].condition,
        numbers_ns={
            name: max(
                (n for one in made if (n := one.numbers_ns.get(name)) is not None), default=None
            )
            for name in names
        },
        seats=sum(one.seats for one in made),
        left_out=sum(one.left_out for one in made),
        expected=sum(one.expected for one in made),
        observed=sum(one.observed for one in made),
        surprises=sum(one.surprises for one in made),
    )


class _NotSampled(Exception):
    """A clock was not sampled at an instant that counts."""


@dataclass
class Tally:
    """Plays seats one after the other; `result` is what came of all of them."""

    policy: str
    world: World
    lags_ns: Sequence[int]
    seats: int = 0
    left_out: int = 0
    expected: float = 0.0
    observed: int = 0
    surprises: int = 0
    skews_ns: list[int] = field(default_factory=list)

    def add(self, claims: Sequence[Claim]) -> None:
        """One contested seat, its claims in true order."""
        made = [claim for claim in claims if claim.claimed_ns is not None]
        unrecorded = any(claim.claim_id and claim.claimed_ns is None for claim in claims)
        if unrecorded or self.policy not in THEORIES or self.seats >= SEATS_MAX:
            self.left_out += 1
            return
        try:
            share = self._share(made)
            skew_ns = max((self._apart(a, b) for a, b in pairwise(made)), default=0)
        except _NotSampled:
            self.left_out += 1
            return
        twice = len({claim.buyer for claim in claims if claim.holds_receipt}) > 1
        self.seats += 1
        self.expected += share
        self.observed += twice
        self.surprises += share == float(not twice)
        self.skews_ns.append(skew_ns)

    def add_all(self, by_seat: Iterable[Sequence[Claim]]) -> Tally:
        for claims in by_seat:
            self.add(claims)
        return self

    def result(self) -> Prediction | None:
        """None where nothing could be played."""
        if not self.seats:
            return None
        return held_against(
            condition=THEORIES[self.policy][0],
            numbers_ns=self._numbers(),
            seats=self.seats,
            left_out=self.left_out,
            expected=round(self.expected, 6),
            observed=self.observed,
            surprises=self.surprises,
        )

    def _share(self, claims: Sequence[Claim]) -> float:
        """The share of the delays with which two buyers end up with a receipt."""
        theory: Theory = THEORIES[self.policy][1]
        around = Conditions(self._theta_ns, self.world.monotonic_ns, self.world.params)
        offers = [offer_of(claim, self.world.holders) for claim in claims]
        lags_ns = self.lags_ns or (0,)
        servers = {offer.server for offer in offers}
        if all(servers <= {news.server, *news.reached_ns} for news in offers):
            lags_ns = lags_ns[:1]  # none of them is asked for
        return sum(len(theory(offers, around, lag_ns)) > 1 for lag_ns in lags_ns) / len(lags_ns)

    def _theta_ns(self, node: str, lab_ns: int) -> int:
        theta = self.world.theta(node, lab_ns)
        if theta is None:
            if node == DATABASE and node not in self.world.clocks:
                return 0
            raise _NotSampled
        return theta.divergence_ns

    def _apart(self, a: Claim, b: Claim) -> int:
        apart_ns = self._theta_ns(a.server, a.time_ns) - self._theta_ns(b.server, b.time_ns)
        return abs(apart_ns)

    def _numbers(self) -> dict[str, int | None]:
        """What went in: the policy's parameters, the middle delay, the largest skew."""
        middle = sorted(self.lags_ns)[len(self.lags_ns) // 2] if self.lags_ns else None
        skew = {"skew_max": max(self.skews_ns, default=0)}
        lag = {} if middle is None else {"lag_median": middle}
        params = {name.removesuffix("_ns"): value for name, value in self.world.params.items()}
        return {**params, **lag, **skew}


def offer_of(claim: Claim, holders: Collection[str] = ()) -> Offer:
    """A claim without what became of it.

    `holders`: the servers whose list of claims is in evidence. Where it is not in such a list, news
    of it had not come there by the end of the phase: a busy machine gives a message up.
    """
    missed = {holder: NEVER_NS for holder in holders if holder != claim.server}
    delay_ns, confirm_ns = claim.confirm_delay_ns, None
    if claim.confirm_sent_ns is not None:
        confirm_ns = claim.decided_ns  # when it came to its server, whatever was made of it
    if confirm_ns is None and delay_ns is not None:
        confirm_ns = claim.time_ns + delay_ns
    bounds = (claim.bound_ns, claim.peers_bound_ns)
    decided_ns = claim.decided_ns
    return Offer(
        buyer=claim.buyer,
        server=claim.server,
        at_ns=claim.time_ns,
        confirm_ns=confirm_ns,
        wait_ns=sum(bound_ns for bound_ns in bounds if bound_ns is not None),
        waited_ns=None if decided_ns is None else decided_ns - claim.time_ns,
        reached_ns={**missed, **claim.received_ns},
    )
