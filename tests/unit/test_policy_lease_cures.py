"""Policies lease-fenced, lease-db-time and lease-monotonic against their inequalities, with clocks
that step, differ and run. The shared row is simulated around the policies' pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from booking.policies import lease_fenced
from booking.policies.lease import Lease, decide_confirm, decide_reserve
from booking.policy import Decision, Hold

S = 1_000_000_000

spans = st.integers(0, 20 * S)
skews = st.integers(-10 * S, 10 * S)
ttls = st.integers(0, 5 * S)

Confirm = Callable[[Hold, int, int], Decision]


def by_clock_alone(hold: Hold, judged_ns: int, token_now: int) -> Decision:
    """What lease, lease-db-time and lease-monotonic decide by."""
    return decide_confirm(hold.expires_ns, judged_ns)


@dataclass
class Seat:
    """The shared row and each buyer's hold; `judged_ns` is the clock the policy judges by."""

    ttl_ns: int
    confirm_by: Confirm
    lease: Lease = field(default_factory=lambda: Lease(None, False))
    token: int = 0
    holds: dict[str, Hold] = field(default_factory=dict)
    receipts: list[str] = field(default_factory=list)

    def reserve(self, buyer: str, judged_ns: int) -> bool:
        if buyer in self.holds or decide_reserve(self.lease, judged_ns) != "held":
            return False
        self.token += 1
        hold = Hold(judged_ns, judged_ns + self.ttl_ns, self.ttl_ns, self.token)
        self.holds[buyer], self.lease = hold, Lease(hold.expires_ns, self.lease.sold)
        return True

    def confirm(self, buyer: str, judged_ns: int) -> None:
        hold = self.holds.get(buyer)
        if hold is None or buyer in self.receipts:
            return
        if self.confirm_by(hold, judged_ns, self.token) == "confirmed":
            self.lease = Lease(self.lease.expires_ns, True)
            self.receipts.append(buyer)


steps = st.lists(
    st.tuples(st.sampled_from(["reserve", "confirm"]), st.integers(0, 3), skews), max_size=30
)


@given(steps=steps, ttl=ttls)
@example(steps=[("reserve", 0, 0), ("reserve", 1, 9), ("confirm", 0, 0), ("confirm", 1, 9)], ttl=5)
def test_with_a_fencing_token_no_clocks_at_all_can_sell_a_seat_twice(
    steps: list[tuple[str, int, int]], ttl: int
) -> None:
    """Every reading of every clock is arbitrary."""
    seat = Seat(ttl, lease_fenced.decide_confirm)
    for verb, who, judged_ns in steps:
        (seat.reserve if verb == "reserve" else seat.confirm)(str(who), judged_ns)
    assert len(seat.receipts) <= 1


def test_the_same_steps_without_the_token_do() -> None:
    seat = Seat(5, by_clock_alone)
    assert seat.reserve("a", 0)
    assert seat.reserve("b", 9)
    seat.confirm("a", 0)
    seat.confirm("b", 9)
    assert seat.receipts == ["a", "b"]


def test_a_fenced_lease_still_ends_by_the_clock() -> None:
    hold = Hold(0, 10, 10, 3)
    assert lease_fenced.decide_confirm(hold, 10, 3) == "confirmed"
    assert lease_fenced.decide_confirm(hold, 11, 3) == "expired"
    assert lease_fenced.decide_confirm(hold, 5, 4) == "rejected"


@given(ttl=ttls, gap=spans, after=spans, b_after=spans, theta_b=skews, theta_c=skews)
@example(ttl=2 * S, gap=S // 10, after=S, b_after=S, theta_b=3 * S, theta_c=0)
def test_under_the_databases_clock_it_takes_a_step_past_the_end_and_back(
    ttl: int, gap: int, after: int, b_after: int, theta_b: int, theta_c: int
) -> None:
    """A reserves at 0 with the clock right; B at `gap` when it is `theta_b` off; A confirms
    `after` that, when it is `theta_c` off, and so does B, `b_after` after its own."""
    seat = Seat(ttl, by_clock_alone)
    assert seat.reserve("a", 0)
    taken = seat.reserve("b", gap + theta_b)
    seat.confirm("a", gap + after + theta_c)
    seat.confirm("b", gap + theta_b + min(b_after, ttl))  # B's hold lives by any clock
    left = ttl - gap
    in_window = theta_b > left and after + theta_c <= left
    assert (len(seat.receipts) == 2) == in_window
    assert taken == (theta_b > left)
    if in_window:
        assert theta_b - theta_c > after, "the clock went back by more than what passed"


@given(ttl=ttls, times=st.lists(st.tuples(spans, st.integers(0, 3), st.booleans()), max_size=12))
def test_a_database_clock_that_never_goes_back_never_double_books(
    ttl: int, times: list[tuple[int, int, bool]]
) -> None:
    seat = Seat(ttl, by_clock_alone)
    for judged_ns, who, reserves in sorted(times):
        (seat.reserve if reserves else seat.confirm)(str(who), judged_ns)
    assert len(seat.receipts) <= 1


@given(ttl=ttls, gap=spans, a_after=spans, uptimes=st.tuples(spans, spans))
def test_monotonic_clocks_double_book_by_the_difference_of_the_uptimes(
    ttl: int, gap: int, a_after: int, uptimes: tuple[int, int]
) -> None:
    u_a, u_b = uptimes
    seat = Seat(ttl, by_clock_alone)
    assert seat.reserve("a", u_a)
    steps = [
        (gap, 0, lambda: seat.reserve("b", gap + u_b)),
        (a_after, 1, lambda: seat.confirm("a", a_after + u_a)),
        (gap, 2, lambda: seat.confirm("b", gap + u_b)),
    ]
    for _, _, step in sorted(steps, key=lambda s: s[:2]):
        step()
    left = ttl - gap
    assert (len(seat.receipts) == 2) == (u_b - u_a > left and gap <= a_after <= ttl)


@given(ttl=st.integers(2, 5 * S), data=st.data())
def test_inside_that_window_a_double_booking_can_always_be_built(
    ttl: int, data: st.DataObject
) -> None:
    gap = data.draw(st.integers(0, ttl - 1))
    ahead = ttl - gap + data.draw(st.integers(1, 400 * 86_400 * S))  # no NTP reaches an uptime
    seat = Seat(ttl, by_clock_alone)
    assert seat.reserve("a", 0)
    assert seat.reserve("b", gap + ahead)
    seat.confirm("a", data.draw(st.integers(gap, ttl)))
    seat.confirm("b", gap + ahead)
    assert len(seat.receipts) == 2
