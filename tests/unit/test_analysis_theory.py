"""The analysis' theory of each policy against the booking service's own decisions: two separate
statements of the same rules, played on the same claims, clocks and delays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from booking.policies import hybrid_logical, last_write_wins, lease_fenced
from booking.policies.lease import Lease, decide_confirm, decide_reserve
from booking.policies.timestamp_order import decide, lower
from booking.policy import Claim as Booked
from booking.policy import Decision, Hold
from ntplab.analysis.theory import THEORIES, Conditions, Offer

MS, S = 1_000_000, 1_000_000_000
SERVERS = ("lyon", "nice", "paris")

spans = st.integers(0, 3 * S)
skews = st.integers(-10 * S, 10 * S)
offers = st.lists(st.tuples(spans, st.sampled_from(SERVERS), spans), min_size=1, max_size=5).map(
    lambda drawn: [
        Offer(f"b-{number}", server, at_ns, at_ns + confirm_ns)
        for number, (at_ns, server, confirm_ns) in enumerate(sorted(drawn))
    ]
)
thetas = st.fixed_dictionaries(dict.fromkeys(SERVERS, skews))


def around(clocks: Mapping[str, int], **params: int) -> Conditions:
    return Conditions(lambda node, _at: clocks.get(node, 0), clocks, params)


def booked(offer: Offer, stamp_ns: int, logical: int = 0) -> Booked:
    return Booked(offer.buyer, offer.server, None, "1", offer.buyer, stamp_ns, 0, logical)


def comes_ns(offer: Offer, to: str, lag_ns: int) -> int:
    return offer.at_ns + (0 if offer.server == to else lag_ns)


def ordered(
    drawn: Sequence[Offer], claims: Sequence[Booked], delta_ns: int, lag_ns: int
) -> set[str]:
    """Receipts as policies that order by stamps give them."""
    told = set()
    for own, claim in zip(drawn, claims, strict=True):
        known: Booked | None = None
        for other, its in zip(drawn, claims, strict=True):
            if comes_ns(other, own.server, lag_ns) <= own.at_ns + delta_ns:
                known = lower(known, its)
        assert known is not None
        if decide(claim, known) == "confirmed":
            told.add(own.buyer)
    return told


def different_stamps(drawn: Sequence[Offer]) -> bool:
    """Equal stamps of one server need the order of learning, which is not the theory's matter."""
    return len({(offer.at_ns, offer.server) for offer in drawn}) == len(drawn)


@given(drawn=offers.filter(different_stamps), clocks=thetas, delta=spans, lag=spans)
def test_timestamp_order(drawn: list[Offer], clocks: dict[str, int], delta: int, lag: int) -> None:
    claims = [booked(offer, offer.at_ns + clocks[offer.server]) for offer in drawn]
    play = THEORIES["timestamp-order"][1]
    assert play(drawn, around(clocks, stability_ns=delta), lag) == ordered(
        drawn, claims, delta, lag
    )


@given(drawn=offers.filter(different_stamps), clocks=thetas, delta=spans, lag=spans)
def test_hybrid_logical(drawn: list[Offer], clocks: dict[str, int], delta: int, lag: int) -> None:
    last = dict.fromkeys(SERVERS, hybrid_logical.Hybrid(-99 * S, 0))
    claims: list[Booked] = []
    for offer in drawn:
        now_ns = offer.at_ns + clocks[offer.server]
        for before, claim in zip(drawn, claims, strict=False):
            if before.server != offer.server and comes_ns(before, offer.server, lag) <= offer.at_ns:
                seen = hybrid_logical.stamp_of(claim)
                # Seen when it came; only its order against the stamp to come matters here.
                last[offer.server] = max(last[offer.server], seen)
        stamp = last[offer.server] = hybrid_logical.tick(last[offer.server], now_ns)
        claims.append(booked(offer, stamp.l_ns, stamp.c))
    play = THEORIES["hybrid-logical"][1]
    found = play(drawn, around(clocks, stability_ns=delta), lag)
    assert (len(found) > 1) == (len(ordered(drawn, claims, delta, lag)) > 1)


@given(drawn=offers, clocks=thetas, lag=spans)
def test_last_write_wins(drawn: list[Offer], clocks: dict[str, int], lag: int) -> None:
    told: list[Offer] = []
    for offer in drawn:
        known: Booked | None = None
        for before in told:
            if comes_ns(before, offer.server, lag) <= offer.at_ns:
                known = last_write_wins.surviving(known, booked(before, before.at_ns))
        if last_write_wins.decide(known) == "confirmed":
            told.append(offer)
    play = THEORIES["last-write-wins"][1]
    assert play(drawn, around(clocks), lag) == {offer.buyer for offer in told}


def leased(drawn: Sequence[Offer], shown: Mapping[str, int], ttl_ns: int, fenced: bool) -> set[str]:
    """Receipts as lease policies give them; `shown` is each server's clock minus lab time."""
    lease, token, holds, told = Lease(None, False), 0, dict[str, Hold](), set()
    steps = [(o.at_ns, 0, n, o) for n, o in enumerate(drawn)]
    steps += [(o.confirm_ns or 0, 1, n, o) for n, o in enumerate(drawn)]
    for at_ns, confirms, _, offer in sorted(steps, key=lambda step: step[:3]):
        now_ns = at_ns + shown[offer.server]
        if not confirms and decide_reserve(lease, now_ns) == "held":
            token += 1
            holds[offer.buyer] = Hold(now_ns, now_ns + ttl_ns, ttl_ns, token)
            lease = Lease(now_ns + ttl_ns, lease.sold)
        elif confirms and offer.buyer in holds:
            hold = holds[offer.buyer]
            decision: Decision = decide_confirm(hold.expires_ns, now_ns)
            if fenced:
                decision = lease_fenced.decide_confirm(hold, now_ns, token)
            if decision == "confirmed":
                lease = Lease(lease.expires_ns, True)
                told.add(offer.buyer)
    return told


@given(drawn=offers, clocks=thetas, ttl=st.integers(0, 5 * S))
@settings(max_examples=300)
def test_leases_by_any_clock(drawn: list[Offer], clocks: dict[str, int], ttl: int) -> None:
    conditions = around(clocks, ttl_ns=ttl)
    for policy in ("lease", "lease-monotonic"):
        assert THEORIES[policy][1](drawn, conditions, 0) == leased(drawn, clocks, ttl, False)
    assert THEORIES["lease-fenced"][1](drawn, conditions, 0) == leased(drawn, clocks, ttl, True)


@given(drawn=offers, step=skews, at=spans, back=spans, ttl=st.integers(0, 5 * S))
def test_leases_by_a_database_that_steps(
    drawn: list[Offer], step: int, at: int, back: int, ttl: int
) -> None:
    def theta_ns(node: str, lab_ns: int) -> int:
        return step if node == "db" and at <= lab_ns < at + back else 0

    found = THEORIES["lease-db-time"][1](drawn, Conditions(theta_ns, {}, {"ttl_ns": ttl}), 0)
    if step == 0 or back == 0:
        assert len(found) <= 1
    right = THEORIES["lease-db-time"][1](drawn, Conditions(lambda *_: 0, {}, {"ttl_ns": ttl}), 0)
    assert len(right) <= 1


def test_a_database_that_steps_past_the_end_and_back_sells_twice() -> None:
    drawn = [Offer("a", "paris", 0, S), Offer("b", "lyon", S // 2, 2 * S)]
    stepped = Conditions(
        lambda node, at: 3 * S if node == "db" and S // 4 < at < S * 3 // 4 else 0,
        params={"ttl_ns": 2 * S},
    )
    assert THEORIES["lease-db-time"][1](drawn, stepped, 0) == {"a", "b"}


@given(drawn=offers, clocks=thetas, lag=spans, data=st.data())
def test_commit_wait_is_safe_within_its_bounds(
    drawn: list[Offer], clocks: dict[str, int], lag: int, data: st.DataObject
) -> None:
    bounds = {name: abs(theta) + data.draw(st.integers(0, S)) for name, theta in clocks.items()}
    largest = {name: max([bounds[n] for n in SERVERS if n != name]) for name in SERVERS}
    waiting = [
        Offer(o.buyer, o.server, o.at_ns, None, bounds[o.server] + largest[o.server]) for o in drawn
    ]
    if not different_stamps(drawn):
        return
    assert len(THEORIES["commit-wait"][1](waiting, around(clocks, lag_ns=lag), lag)) == 1


def test_commit_wait_is_not_safe_when_a_clock_is_further_off_than_its_bound() -> None:
    drawn = [Offer("a", "paris", 0, None, 2 * MS), Offer("b", "lyon", S, None, 2 * MS)]
    conditions = around({"lyon": -2 * S}, lag_ns=5 * MS)
    assert THEORIES["commit-wait"][1](drawn, conditions, MS) == {"a", "b"}


@given(drawn=offers, clocks=thetas, lag=spans)
def test_a_unique_row_is_had_by_the_first(
    drawn: list[Offer], clocks: dict[str, int], lag: int
) -> None:
    assert THEORIES["unique"][1](drawn, around(clocks), lag) == {drawn[0].buyer}


@pytest.mark.parametrize("policy", ["timestamp-order", "last-write-wins", "hybrid-logical"])
def test_a_messages_own_delay_goes_before_the_usual_one(policy: str) -> None:
    late = {"lyon": 9 * S}
    drawn = [Offer("a", "paris", 0, reached_ns=late), Offer("b", "lyon", MS)]
    prompt = [Offer("a", "paris", 0, reached_ns={"lyon": MS}), Offer("b", "lyon", MS)]
    conditions = around({}, stability_ns=S)
    assert len(THEORIES[policy][1](drawn, conditions, 0)) == 2
    assert len(THEORIES[policy][1](prompt, conditions, 9 * S)) == 1
