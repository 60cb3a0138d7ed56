"""Policy hybrid-logical against its inequality: both claims are confirmed only when they crossed on
the wire and δ < 2 lag. Simulated clocks and lags around the policy's own pure functions."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from booking.policies.hybrid_logical import Hybrid, merge, stamp_of, tick
from booking.policies.timestamp_order import decide, lower, order_key
from booking.policy import Claim

S = 1_000_000_000

spans = st.integers(0, 3 * S)
walls = st.integers(-10 * S, 10 * S)
hybrids = st.builds(Hybrid, walls, st.integers(0, 5))


def claim(name: str, server: str, stamp: Hybrid) -> Claim:
    return Claim(name, server, None, "1", name, stamp.l_ns, 0, stamp.c)


def both(
    gap: int, delta: int, lag_ab: int, lag_ba: int, thetas: tuple[int, int],
    last: tuple[Hybrid, Hybrid] = (Hybrid(-99 * S, 0), Hybrid(-99 * S, 0)),
) -> bool:  # fmt: skip
    """A claims at 0, B at `gap`; `last` are the servers' clocks before that."""
    a = claim("a", "paris", tick(last[0], thetas[0]))
    b_clock = last[1]
    if lag_ab <= gap:  # A's claim was there first
        b_clock = merge(b_clock, stamp_of(a), lag_ab + thetas[1])
    b = claim("b", "lyon", tick(b_clock, gap + thetas[1]))

    def confirmed(own: Claim, other: Claim, knows: bool) -> bool:
        return decide(own, lower(own, other) if knows else own) == "confirmed"

    a_wins = confirmed(a, b, knows=gap + lag_ba <= delta)
    b_wins = confirmed(b, a, knows=lag_ab <= gap + delta)
    assert a_wins or b_wins
    return a_wins and b_wins


@given(gap=spans, delta=spans, lag_ab=spans, lag_ba=spans, thetas=st.tuples(walls, walls),
       last=st.tuples(hybrids, hybrids))  # fmt: skip
@example(gap=1, delta=5, lag_ab=4, lag_ba=5, thetas=(0, -5 * S),
         last=(Hybrid(-S, 0), Hybrid(-9 * S, 0)))  # fmt: skip
def test_both_are_confirmed_only_when_they_crossed_and_the_wait_is_below_two_lags(
    gap: int, delta: int, lag_ab: int, lag_ba: int, thetas: tuple[int, int],
    last: tuple[Hybrid, Hybrid],
) -> None:  # fmt: skip
    if both(gap, delta, lag_ab, lag_ba, thetas, last):
        assert gap < lag_ab
        assert delta < 2 * max(lag_ab, lag_ba)
        assert delta - lag_ba < gap or lag_ab > gap + delta


@given(lag=st.integers(1, 3 * S), data=st.data())
def test_inside_the_window_a_double_booking_can_always_be_built(
    lag: int, data: st.DataObject
) -> None:
    delta = data.draw(st.integers(0, 2 * lag - 2))
    gap = data.draw(st.integers(max(delta - lag + 1, 0), lag - 1))
    assert both(gap, delta, lag, lag, (0, -20 * S))  # B far behind: crossed, it is the lower one


@given(gap=spans, lag_ab=spans, lag_ba=spans, over=spans, thetas=st.tuples(walls, walls),
       last=st.tuples(hybrids, hybrids))  # fmt: skip
def test_a_wait_of_two_lags_is_enough_whatever_the_clocks_say(
    gap: int, lag_ab: int, lag_ba: int, over: int, thetas: tuple[int, int],
    last: tuple[Hybrid, Hybrid],
) -> None:  # fmt: skip
    assert not both(gap, 2 * max(lag_ab, lag_ba) + over, lag_ab, lag_ba, thetas, last)


@given(last=hybrids, seen=hybrids, wall=walls, later=walls)
def test_the_clock_goes_up_and_above_all_it_has_seen(
    last: Hybrid, seen: Hybrid, wall: int, later: int
) -> None:
    after = merge(last, seen, wall)
    assert after > last
    assert after > seen
    assert tick(after, later) > after
    assert tick(after, later).l_ns >= later


@given(last=hybrids, ahead=st.integers(1, S))
def test_it_is_the_wall_clock_where_that_is_ahead(last: Hybrid, ahead: int) -> None:
    assert tick(last, last.l_ns + ahead) == Hybrid(last.l_ns + ahead, 0)


@given(one=hybrids, other=hybrids)
def test_stamps_order_claims_as_they_order_readings(one: Hybrid, other: Hybrid) -> None:
    a, b = claim("a", "paris", one), claim("b", "lyon", other)
    assert (order_key(a) < order_key(b)) == ((one, "paris") < (other, "lyon"))
