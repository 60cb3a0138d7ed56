"""Policy commit-wait: as long as every ε is a true bound and nothing takes longer than lag, two
claims are never both confirmed, however the bounds change meanwhile. Simulated clocks, bounds and
lags around the policy's own pure functions; and where an assumption breaks, it does double-book."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from booking.chrony import Belief, Tracking
from booking.clocks import Reading
from booking.policies.commit_wait import (
    GROWTH_PPM,
    MARGIN_NS,
    STALE_NS,
    Heard,
    Params,
    Promise,
    error_bound_ns,
    may_sell,
    next_promise,
    stability_ns,
)

MS, S = 1_000_000, 1_000_000_000
LAG, LIMIT = 50 * MS, 100 * MS
PARAMS = Params(LAG, LIMIT)
LOOK = 5 * MS

bounds = st.integers(0, 2 * LIMIT)
epsilons = st.integers(0, LIMIT) | st.integers(0, 5 * MS)
lags = st.integers(0, LAG)


def belief(bound_ns: int, asked_raw_ns: int = 0) -> Belief:
    tracking = Tracking("ntp1", 2, 0, 0.0, 0, bound_ns, "Normal")
    return Belief("ok", None, Reading(0, asked_raw_ns), tracking)


@dataclass
class Machine:
    """A server whose true ε is a staircase: (from lab time, ε). Its raw clock is lab time."""

    name: str
    peer: str
    steps: list[tuple[int, int]]
    promise: Promise | None = None
    told: list[tuple[int, int]] = field(default_factory=list)

    def epsilon(self, at_ns: int) -> int:
        return [bound for start, bound in self.steps if start <= at_ns][-1]

    def look(self, at_ns: int) -> None:
        promise = next_promise(self.promise, self.epsilon(at_ns), at_ns, PARAMS)
        if promise != self.promise and promise is not None:
            self.promise = promise
            self.told.append((at_ns, promise.bound_ns))

    def sells(self, at_ns: int) -> bool:
        self.look(at_ns)
        return may_sell(self.promise, self.epsilon(at_ns), at_ns)


News = Sequence[tuple[int, int, int]]
"""a peer's promises: (lab time of hearing, of telling, bound)"""


def heard_by(own: Machine, news: News, now_ns: int) -> Heard:
    heard = Heard((own.peer,), LIMIT, 10 * S)
    for comes_ns, told_ns, bound_ns in sorted(news):
        if comes_ns <= now_ns:
            heard.hear(own.peer, bound_ns, told_ns, comes_ns)
    return heard


def confirmed(
    own: Machine, news: News, at_ns: int, stamp: int, other_stamp: int, other_comes_ns: int
) -> bool:
    """Whether a claim made at `at_ns` is confirmed, waiting as the policy does: the wait is
    worked out anew with whatever has been heard until then."""
    assert own.promise is not None
    now_ns = at_ns
    while True:
        until_ns = at_ns + stability_ns(
            LAG, own.promise.bound_ns, heard_by(own, news, now_ns).largest_since(at_ns)
        )
        if until_ns <= now_ns:
            break
        now_ns = until_ns
    return not (other_comes_ns <= now_ns and other_stamp < stamp)


levels = st.sampled_from([MS, LIMIT // 2, LIMIT]) | epsilons
extreme_lags = st.sampled_from([0, LAG]) | lags


@given(own=levels, before=levels, after=levels, tries=st.integers(-LIMIT, 2 * LIMIT),
       short=st.integers(1, LIMIT), news_lag=extreme_lags, claim_lag=extreme_lags)  # fmt: skip
@example(own=MS, before=MS, after=LIMIT, tries=0, short=1, news_lag=LAG, claim_lag=LAG)
@example(own=MS, before=LIMIT, after=MS, tries=-LOOK, short=1, news_lag=0, claim_lag=LAG)
@settings(max_examples=200, deadline=None)
def test_with_true_bounds_and_a_kept_lag_two_claims_are_never_both_confirmed(
    own: int, before: int, after: int, tries: int, short: int, news_lag: int, claim_lag: int
) -> None:
    """B's clock becomes less certain, or more, at the worst moments around its claim, and stamps
    as far behind A's as the bounds allow; news and claim take as long as they may."""
    turn = S
    a, b = Machine("a", "b", [(0, own)]), Machine("b", "a", [(0, before), (turn, after)])
    for at_ns in range(0, turn + tries, LOOK):
        b.look(at_ns)
    t_b = next(t for t in range(turn + tries, 9 * S, LOOK) if b.sells(t))
    theta_a, theta_b = own, -b.epsilon(t_b)
    t_a = t_b - max(theta_a - theta_b - short, 0)  # B undercuts A, if only just
    for at_ns in range(0, t_a, LOOK):
        a.look(at_ns)
    for at_ns in range(t_b, t_b + S, LOOK):
        b.look(at_ns)
    assert a.sells(t_a)
    news = [(at + news_lag, at, bound) for at, bound in b.told]
    if t_b + theta_b >= t_a + theta_a:
        return  # both clocks are perfect: nothing to undercut with
    assert not confirmed(a, news, t_a, t_a + theta_a, t_b + theta_b, t_b + claim_lag)


@given(t_a=st.integers(S, 2 * S), eps=st.integers(2, LIMIT // 4), data=st.data())
def test_a_bound_that_is_not_true_double_books(t_a: int, eps: int, data: st.DataObject) -> None:
    a, b = Machine("a", "b", [(0, eps)]), Machine("b", "a", [(0, eps)])
    for at_ns in range(0, t_a, LOOK):
        a.look(at_ns)
        b.look(at_ns)
    news = [(at, at, bound) for at, bound in b.told]
    assert a.promise is not None
    assert b.promise is not None
    delta = stability_ns(LAG, a.promise.bound_ns, b.promise.bound_ns)
    t_b = t_a + delta + data.draw(st.integers(1, S))
    skew = t_b - t_a + 1  # more than both bounds together
    assert confirmed(a, news, t_a, t_a + skew, t_b, t_b + data.draw(lags))


def test_a_lag_that_is_not_kept_double_books() -> None:
    a = Machine("a", "b", [(0, MS)])
    a.look(0)
    a.promise = Promise(a.promise.bound_ns, 0) if a.promise else None
    assert a.promise is not None
    late = S + LIMIT + stability_ns(LAG, a.promise.bound_ns, MS) + LAG
    assert confirmed(a, [(0, 0, MS)], S, S, S - 1, late)


@pytest.mark.parametrize("state", ["not synchronised", "chronyd not running", "unknown"])
def test_nothing_is_certain_without_a_synchronised_chronyd(state: str) -> None:
    uncertain = Belief(state, "why", Reading(0, 0))  # type: ignore[arg-type]
    assert error_bound_ns(uncertain, 0) is None
    assert not may_sell(Promise(LIMIT, 0), None, 5)


@given(bound=bounds, age=st.integers(0, 2 * STALE_NS))
def test_the_bound_grows_with_the_age_of_the_report_until_it_says_nothing(
    bound: int, age: int
) -> None:
    found = error_bound_ns(belief(bound), age)
    assert found == (None if age > STALE_NS else bound + age * GROWTH_PPM // 1_000_000)


@given(bound=st.integers(0, LIMIT), now=st.integers(0, S))
def test_a_first_promise_is_kept_back_until_all_peers_know_it(bound: int, now: int) -> None:
    made = next_promise(None, bound, now, PARAMS)
    assert made is not None
    assert bound <= made.bound_ns <= LIMIT
    assert not may_sell(made, bound, now + LAG + made.bound_ns - 1)
    assert may_sell(made, bound, now + LAG + made.bound_ns)


@given(made=st.integers(0, LIMIT), bound=bounds)
def test_promises_change_only_where_they_must_or_where_it_pays(made: int, bound: int) -> None:
    before = Promise(made, 0)
    after = next_promise(before, bound, S, PARAMS)
    assert after is not None
    if bound > LIMIT:
        assert after == before
        assert made >= bound or not may_sell(after, bound, 9 * S)
    elif bound > made:
        assert after.bound_ns >= bound
        assert not may_sell(after, bound, S)
    elif after != before:
        assert 2 * after.bound_ns < made
        assert may_sell(after, bound, S)
    assert next_promise(after, bound, 9 * S, PARAMS) == after
    assert next_promise(before, None, S, PARAMS) == before


def test_who_was_not_heard_counts_with_the_limit() -> None:
    heard = Heard(("b", "c"), LIMIT, S)
    heard.hear("b", MS, 1, 10)
    assert heard.largest_since(10) == LIMIT
    heard.hear("c", 2 * MS, 1, 20)
    assert heard.largest_since(21) == 2 * MS
    assert heard.largest_since(15) == LIMIT, "c was not known to be this certain all along"


def test_a_lower_promise_does_not_count_for_claims_made_before_it() -> None:
    heard = Heard(("b",), LIMIT, S)
    heard.hear("b", 9 * MS, 1, 10)
    heard.hear("b", 2 * MS, 2, 30)
    heard.hear("b", 9 * MS, 1, 40)  # the first again, late: it was withdrawn
    assert heard.largest_since(20) == 9 * MS
    assert heard.largest_since(31) == 2 * MS


def test_what_is_too_old_to_matter_is_forgotten() -> None:
    heard = Heard(("b",), LIMIT, 100)
    for number in range(1000):
        heard.hear("b", number, number, number)
    assert len(heard._heard["b"]) < 110
    assert heard.largest_since(990) == 999


def test_without_peers_only_the_own_bound_counts() -> None:
    assert Heard((), LIMIT, S).largest_since(0) == 0
    assert MARGIN_NS > 0
