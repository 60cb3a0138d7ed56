"""Policy lease against its inequality (design: θ_B - θ_A > what was left of A's lease when B took
it, and A confirms after that), with simulated clocks. The seat's row and the confirming server's
own record are simulated around the policy's own pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import example, given
from hypothesis import strategies as st

from booking.policies.lease import Lease, decide_confirm, decide_reserve, expired

S = 1_000_000_000

spans = st.integers(0, 20 * S)
skews = st.integers(-10 * S, 10 * S)
ttls = st.integers(0, 5 * S)


@dataclass
class Seat:
    """The shared row, and each buyer's lease as the server that granted it remembers it."""

    ttl_ns: int
    lease: Lease = field(default_factory=lambda: Lease(None, False))
    expires_ns: dict[str, int] = field(default_factory=dict)
    granted_at: dict[str, int] = field(default_factory=dict)
    receipts: dict[str, int] = field(default_factory=dict)

    def reserve(self, buyer: str, at_ns: int, divergence_ns: int) -> bool:
        wall_ns = at_ns + divergence_ns
        if decide_reserve(self.lease, wall_ns) != "held":
            return False
        self.expires_ns[buyer] = wall_ns + self.ttl_ns
        self.granted_at[buyer] = at_ns
        self.lease = Lease(self.expires_ns[buyer], self.lease.sold)
        return True

    def confirm(self, buyer: str, at_ns: int, divergence_ns: int) -> bool:
        if buyer not in self.expires_ns:
            return False
        if decide_confirm(self.expires_ns[buyer], at_ns + divergence_ns) != "confirmed":
            return False
        self.lease = Lease(self.lease.expires_ns, True)
        self.receipts[buyer] = at_ns
        return True


@given(theta_a=skews, theta_b=skews, ttl=ttls, gap=spans, a_confirms=spans, b_confirms=spans)
@example(theta_a=0, theta_b=2 * S, ttl=S, gap=S // 10, a_confirms=S // 2, b_confirms=S)
@example(theta_a=0, theta_b=0, ttl=S, gap=2 * S, a_confirms=S // 2, b_confirms=S)
def test_both_are_confirmed_exactly_in_the_window_of_the_design(
    theta_a: int, theta_b: int, ttl: int, gap: int, a_confirms: int, b_confirms: int
) -> None:
    """A reserves at 0, B at `gap`; each confirms so long after its own reservation."""
    seat = Seat(ttl)
    assert seat.reserve("a", 0, theta_a)
    steps: list[tuple[int, int, Callable[[], bool]]] = [
        (gap, 0, lambda: seat.reserve("b", gap, theta_b)),
        (a_confirms, 1, lambda: seat.confirm("a", a_confirms, theta_a)),
        (gap + b_confirms, 2, lambda: seat.confirm("b", gap + b_confirms, theta_b)),
    ]
    for _, _, step in sorted(steps, key=lambda s: s[:2]):
        step()

    left = seat.expires_ns["a"] - (gap + theta_a)  # of A's lease, by A's clock, when B comes
    in_time = a_confirms <= ttl and b_confirms <= ttl
    assert (len(seat.receipts) == 2) == (theta_b - theta_a > left and a_confirms >= gap and in_time)


@given(theta_a=skews, ttl=st.integers(2, 5 * S), data=st.data())
def test_inside_the_window_a_double_booking_can_always_be_built(
    theta_a: int, ttl: int, data: st.DataObject
) -> None:
    gap = data.draw(st.integers(0, ttl - 1))
    left = ttl - gap
    theta_b = theta_a + left + data.draw(st.integers(1, 5 * S))
    seat = Seat(ttl)
    assert seat.reserve("a", 0, theta_a)
    assert seat.reserve("b", gap, theta_b)
    assert seat.confirm("a", data.draw(st.integers(gap, ttl)), theta_a)
    assert seat.confirm("b", gap + data.draw(st.integers(0, ttl)), theta_b)


steps = st.lists(
    st.tuples(st.sampled_from(["reserve", "confirm"]), st.integers(0, 3), st.integers(0, S)),
    max_size=20,
)


@given(steps=steps, ttl=ttls, thetas=st.tuples(skews, skews, skews, skews))
def test_every_double_booking_of_many_buyers_is_explained(
    steps: list[tuple[str, int, int]], ttl: int, thetas: tuple[int, int, int, int]
) -> None:
    """Buyer i deals with server i, once each; any order of steps, any clocks."""
    seat, now = Seat(ttl), 0
    for verb, who, pause in steps:
        now += pause
        buyer = str(who)
        if verb == "reserve" and buyer not in seat.expires_ns:
            seat.reserve(buyer, now, thetas[who])
        elif verb == "confirm" and buyer not in seat.receipts:
            seat.confirm(buyer, now, thetas[who])

    grants = sorted(seat.granted_at, key=lambda buyer: seat.granted_at[buyer])
    for position, a in enumerate(grants[:-1]):
        later = [b for b in grants[position + 1 :] if b in seat.receipts]
        if a in seat.receipts and later:
            # Whoever took over from A did so in the window, and A was confirmed after the last.
            heir = grants[position + 1]
            left = seat.expires_ns[a] - (seat.granted_at[heir] + thetas[int(a)])
            assert thetas[int(heir)] - thetas[int(a)] > left
            assert seat.receipts[a] >= seat.granted_at[later[-1]]


@given(ttl=ttls, theta=skews, gap=spans, confirms=spans)
def test_servers_whose_clocks_agree_never_double_book(
    ttl: int, theta: int, gap: int, confirms: int
) -> None:
    seat = Seat(ttl)
    assert seat.reserve("a", 0, theta)
    if confirms < gap:
        seat.confirm("a", confirms, theta)
        seat.reserve("b", gap, theta)
    else:
        seat.reserve("b", gap, theta)
        seat.confirm("a", confirms, theta)
    seat.confirm("b", gap, theta)
    assert len(seat.receipts) <= 1


def test_a_lease_lives_through_its_last_nanosecond() -> None:
    assert not expired(10, 10)
    assert expired(10, 11)


def test_a_sold_seat_is_refused_even_after_its_lease() -> None:
    assert decide_reserve(Lease(10, sold=True), 10**18) == "rejected"
    assert decide_reserve(Lease(None, sold=True), 0) == "rejected"


def test_a_seat_given_back_is_free_at_once() -> None:
    assert decide_reserve(Lease(None, sold=False), 0) == "held"
