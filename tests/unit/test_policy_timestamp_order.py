"""Policy timestamp-order against its inequality (design: δ - lag < gap < θ_A - θ_B), with
simulated clocks, gaps and lags. The simulation drives the policy's own pure functions."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

from hypothesis import assume, example, given
from hypothesis import strategies as st

from booking.policies.timestamp_order import Params, decide, lower, order_key, stable_at_raw_ns
from booking.policy import Claim, parse_params

S = 1_000_000_000
SERVERS = ("paris", "lyon")

spans = st.integers(0, 20 * S)
waits = st.integers(0, 3 * S)
skews = st.integers(-10 * S, 10 * S)


@dataclass(frozen=True)
class Placed:
    """A claim made at lab time `at_ns` on a server whose raw clock is lab time + `raw_ns`."""

    claim: Claim
    at_ns: int
    raw_ns: int


def placed(name: str, server: str, at_ns: int, divergence_ns: int, raw_ns: int = 0) -> Placed:
    stamp_ns = at_ns + divergence_ns
    return Placed(Claim(name, server, None, "1", name, stamp_ns, at_ns + raw_ns), at_ns, raw_ns)


def decided_at(one: Placed, delta_ns: int) -> int:
    """Lab time of the decision on `one`."""
    return stable_at_raw_ns(one.claim, delta_ns) - one.raw_ns


def outcome(own: Placed, others: dict[Placed, int], delta_ns: int) -> bool:
    """Whether `own` is confirmed; `others` maps claims to the lab time they reach its server."""
    now = decided_at(own, delta_ns)
    known: Claim | None = None
    reached = sorted([(own.at_ns, own), *((at, other) for other, at in others.items())],
                     key=lambda pair: pair[0])  # fmt: skip
    for at_ns, one in reached:
        if at_ns <= now:
            known = lower(known, one.claim)
    assert known is not None
    return decide(own.claim, known) == "confirmed"


def both(first: Placed, second: Placed, delta_ns: int, lag_ab: int, lag_ba: int) -> bool:
    a = outcome(first, {second: second.at_ns + lag_ba}, delta_ns)
    b = outcome(second, {first: first.at_ns + lag_ab}, delta_ns)
    assert a or b, "the lower of two claims always has the seat"
    return a and b


@given(gap=spans, theta_a=skews, theta_b=skews, delta=waits, lag_ab=waits, lag_ba=waits,
       raw_a=skews, raw_b=skews)  # fmt: skip
@example(gap=S, theta_a=0, theta_b=-5 * S, delta=S // 5, lag_ab=5, lag_ba=5, raw_a=0, raw_b=9)
@example(gap=0, theta_a=0, theta_b=0, delta=1, lag_ab=5, lag_ba=5, raw_a=0, raw_b=9)
def test_both_are_confirmed_exactly_when_the_lower_claim_comes_too_late(
    gap: int, theta_a: int, theta_b: int, delta: int, lag_ab: int, lag_ba: int, raw_a: int,
    raw_b: int,
) -> None:  # fmt: skip
    a = placed("a", SERVERS[0], 30 * S, theta_a, raw_a)
    b = placed("b", SERVERS[1], 30 * S + gap, theta_b, raw_b)
    inverted = order_key(b.claim) < order_key(a.claim)
    b_reached_a_late = b.at_ns + lag_ba > decided_at(a, delta)
    a_reached_b_late = a.at_ns + lag_ab > decided_at(b, delta)
    late = b_reached_a_late if inverted else a_reached_b_late
    assert both(a, b, delta, lag_ab, lag_ba) == late
    # The same in the design's terms.
    by_design = (delta - lag_ba < gap) if inverted else (lag_ab > delta + gap)
    assert late == by_design


@given(gap=st.integers(1, 20 * S), theta_a=skews, theta_b=skews, delta=waits, data=st.data())
def test_with_prompt_replication_it_is_the_window_of_the_design(
    gap: int, theta_a: int, theta_b: int, delta: int, data: st.DataObject
) -> None:
    assume(gap != theta_a - theta_b)  # equal stamps: the server's name decides, checked above
    lag = data.draw(st.integers(0, delta + gap))
    a = placed("a", SERVERS[0], 0, theta_a)
    b = placed("b", SERVERS[1], gap, theta_b)
    assert both(a, b, delta, lag, lag) == (delta - lag < gap < theta_a - theta_b)


@given(delta=waits, lag=waits, excess=st.integers(2, 5 * S), theta_b=skews, data=st.data())
def test_inside_the_window_a_double_booking_can_always_be_built(
    delta: int, lag: int, excess: int, theta_b: int, data: st.DataObject
) -> None:
    theta_a = theta_b + max(delta - lag, 0) + excess
    gap = data.draw(st.integers(max(delta - lag + 1, 1), theta_a - theta_b - 1))
    a, b = placed("a", SERVERS[0], 0, theta_a), placed("b", SERVERS[1], gap, theta_b)
    assert both(a, b, delta, lag, lag)


@given(delta=st.integers(1, 3 * S), theta_b=skews, gap=spans, data=st.data())
def test_clocks_that_agree_better_than_the_wait_never_double_book(
    delta: int, theta_b: int, gap: int, data: st.DataObject
) -> None:
    lag = data.draw(st.integers(0, delta))
    theta_a = theta_b + data.draw(st.integers(-(delta - lag), delta - lag))
    a, b = placed("a", SERVERS[0], 0, theta_a), placed("b", SERVERS[1], gap, theta_b)
    assert not both(a, b, delta, lag, lag)


@given(st.lists(st.tuples(spans, skews, waits), min_size=1, max_size=6), waits)
def test_of_many_claims_the_lowest_is_always_confirmed(
    drawn: list[tuple[int, int, int]], delta: int
) -> None:
    claims = [placed(f"c{i}", f"s{i}", at, skew) for i, (at, skew, _) in enumerate(drawn)]
    lags = [lag for _, _, lag in drawn]
    winners = [
        own
        for own in claims
        if outcome(
            own,
            {c: c.at_ns + lag for c, lag in zip(claims, lags, strict=True) if c is not own},
            delta,
        )
    ]
    assert min(claims, key=lambda p: order_key(p.claim)) in winners
    # Whoever else is confirmed never had the lowest claim before it decided.
    lowest = min(claims, key=lambda p: order_key(p.claim))
    reach = lowest.at_ns + lags[claims.index(lowest)]
    assert all(reach > decided_at(other, delta) for other in winners if other is not lowest)


@given(st.lists(st.integers(0, 5), min_size=1, max_size=4, unique=True))
def test_the_order_of_learning_does_not_matter(stamps: list[int]) -> None:
    claims = [placed(str(i), f"s{i}", 0, stamp).claim for i, stamp in enumerate(stamps)]
    for learned in permutations(claims):
        known: Claim | None = None
        for claim in learned:
            known = lower(known, claim)
        assert known == min(claims, key=order_key)


def test_equal_stamps_go_to_the_lower_server_name() -> None:
    a, b = placed("a", "paris", 0, 0).claim, placed("b", "lyon", 0, 0).claim
    assert lower(a, b) == lower(b, a) == b


def test_on_one_server_whose_clock_stands_still_the_first_claim_has_the_seat() -> None:
    first, second = placed("1", "lyon", 0, 0).claim, placed("2", "lyon", 5, -5).claim
    assert order_key(first) == order_key(second)
    assert lower(lower(None, first), second) == first


@given(back=st.integers(1, 10 * S), gap=spans)
def test_a_step_back_makes_one_server_sell_twice_and_nothing_else_does(back: int, gap: int) -> None:
    """The rule is literal: whether a lower claim comes too late is all that counts."""
    first = placed("1", "lyon", 0, 0)
    second = placed("2", "lyon", gap, -back)
    delta = 0
    sold_twice = outcome(first, {second: second.at_ns}, delta) and outcome(
        second, {first: first.at_ns}, delta
    )
    assert sold_twice == (0 < gap < back)


def test_parameters() -> None:
    assert parse_params(Params, {"stability_ns": 5}) == Params(5)
