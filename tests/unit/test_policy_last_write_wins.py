"""Policy last-write-wins against its inequality: both are confirmed exactly when B claims before
A's claim has come, whatever the clocks say; they decide whose claim survives."""

from __future__ import annotations

from itertools import permutations

from hypothesis import assume, given
from hypothesis import strategies as st

from booking.policies.last_write_wins import decide, surviving
from booking.policies.timestamp_order import order_key
from booking.policy import Claim

S = 1_000_000_000
spans = st.integers(0, 3 * S)
skews = st.integers(-10 * S, 10 * S)


def claim(name: str, server: str, stamp_ns: int) -> Claim:
    return Claim(name, server, None, "1", name, stamp_ns, 0)


def play(gap: int, lag: int, theta_a: int, theta_b: int) -> tuple[bool, Claim]:
    """Whether both are confirmed, and what every replica keeps in the end."""
    a, b = claim("a", "paris", theta_a), claim("b", "lyon", gap + theta_b)
    known_at_b = a if lag <= gap else None
    if decide(known_at_b) == "rejected":
        return False, a
    return True, surviving(surviving(None, a), b)


@given(gap=spans, lag=spans, theta_a=skews, theta_b=skews)
def test_both_are_confirmed_exactly_when_the_second_comes_before_the_news_of_the_first(
    gap: int, lag: int, theta_a: int, theta_b: int
) -> None:
    twice, _ = play(gap, lag, theta_a, theta_b)
    assert twice == (gap < lag)


@given(gap=spans, lag=spans, theta_a=skews, theta_b=skews)
def test_the_first_write_survives_exactly_where_the_clocks_are_further_apart_than_the_gap(
    gap: int, lag: int, theta_a: int, theta_b: int
) -> None:
    assume(gap < lag)
    assume(gap != theta_a - theta_b)
    _, kept = play(gap, lag, theta_a, theta_b)
    assert (kept.claim_id == "a") == (theta_a - theta_b > gap)


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abc")), min_size=1, max_size=4,
                unique=True))  # fmt: skip
def test_replicas_agree_whatever_order_they_learn_in(drawn: list[tuple[int, str]]) -> None:
    claims = [claim(f"{stamp}{server}", server, stamp) for stamp, server in drawn]
    for learned in permutations(claims):
        kept: Claim | None = None
        for one in learned:
            kept = surviving(kept, one)
        assert kept == max(claims, key=order_key)
