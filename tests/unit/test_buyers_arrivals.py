"""Arrivals are drawn as the load says, the same for the same seed."""

from __future__ import annotations

import itertools
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buyers.arrivals import Arrival, draw_arrivals
from buyers.load import ConfirmDelay, HotSpot, Load, LoadError, Races, Spacing
from buyers.seats import seat_name

S = 1_000_000_000

spacings: st.SearchStrategy[Spacing] = st.sampled_from(["poisson", "uniform"])


def confirm_delays() -> st.SearchStrategy[ConfirmDelay]:
    low = st.integers(0, 5 * S)
    return st.builds(lambda a, b: ConfirmDelay(min(a, b), max(a, b)), low, low)


@st.composite
def loads(draw: st.DrawFn) -> Load:
    duration_ns = draw(st.integers(2 * S, 30 * S))
    gaps = sorted(draw(st.tuples(*[st.integers(0, duration_ns - 1)] * 2)))
    seats = draw(st.integers(2, 50))
    races = Races(
        rate_hz=draw(st.floats(0.1, 20)),
        gap_min_ns=gaps[0],
        gap_max_ns=gaps[1],
        first_seat=1_000,
        spacing=draw(spacings),
        confirm=draw(confirm_delays()),
    )
    hot_spot = HotSpot(
        rate_hz=draw(st.floats(0.1, 20)),
        seats=seats,
        hot_seats=draw(st.integers(1, seats - 1)),
        hot_share=draw(st.floats(0, 1)),
        first_seat=0,
        spacing=draw(spacings),
        confirm=draw(confirm_delays()),
    )
    names = [f"s{number}" for number in range(draw(st.integers(2, 5)))]
    return Load(
        phase=draw(st.sampled_from(["control", "ntp-off"])),
        seed=draw(st.integers(0, 2**64)),
        start_lab_ns=0,
        duration_ns=duration_ns,
        servers={name: f"http://{name}" for name in names},
        policy_holds=draw(st.booleans()),
        timeout_ns=S,
        patterns=tuple(draw(st.permutations([races, hot_spot]))),
    )


def pairs(arrivals: list[Arrival]) -> dict[int, list[Arrival]]:
    found: dict[int, list[Arrival]] = {}
    for arrival in arrivals:
        if arrival.race is not None:
            found.setdefault(arrival.race, []).append(arrival)
    return found


def only(load: Load, kind: type) -> Load:
    return replace(load, patterns=tuple(p for p in load.patterns if isinstance(p, kind)))


@given(loads())
def test_the_same_load_gives_the_same_arrivals(load: Load) -> None:
    assert draw_arrivals(load) == draw_arrivals(load)


@given(loads())
def test_arrivals_are_in_order_within_the_phase_and_told_apart(load: Load) -> None:
    arrivals = draw_arrivals(load)
    due = [arrival.due_ns for arrival in arrivals]
    assert due == sorted(due)
    assert all(0 <= due_ns < load.duration_ns for due_ns in due)
    assert len({arrival.attempt_id for arrival in arrivals}) == len(arrivals)
    assert len({arrival.buyer for arrival in arrivals}) == len(arrivals)
    assert all(arrival.server in load.servers for arrival in arrivals)


@given(loads())
def test_a_race_is_two_buyers_for_one_seat_on_two_servers(load: Load) -> None:
    (pattern,) = (p for p in load.patterns if isinstance(p, Races))
    found = pairs(draw_arrivals(load))
    assert sorted(found) == list(range(len(found)))
    for first, second in found.values():
        assert first.seat == second.seat
        assert first.server != second.server
        assert pattern.gap_min_ns <= second.due_ns - first.due_ns <= pattern.gap_max_ns
    seats = [first.seat for first, _ in found.values()]
    assert len(set(seats)) == len(seats)


@given(loads())
def test_seats_of_patterns_are_disjoint(load: Load) -> None:
    seats: dict[str, set[str]] = {"races": set(), "hot-spot": set()}
    for arrival in draw_arrivals(load):
        seats[arrival.pattern].add(arrival.seat)
    assert not seats["races"] & seats["hot-spot"]


@given(loads())
def test_confirm_delays_are_in_their_range(load: Load) -> None:
    for pattern, kind in ((p, type(p)) for p in load.patterns):
        for arrival in draw_arrivals(only(load, kind)):
            delay_ns = arrival.confirm_delay_ns
            assert pattern.confirm.min_ns <= delay_ns <= pattern.confirm.max_ns


def steady(pattern: Races | HotSpot, duration_s: int = 1_000) -> Load:
    servers = {name: f"http://{name}" for name in ("lyon", "nice", "paris")}
    return Load("p", 1, 0, duration_s * S, servers, False, S, (pattern,))


RACES = Races(10.0, 0, 2 * S, 1, "poisson", ConfirmDelay(0, 0))
HOT = HotSpot(20.0, 500, 20, 0.8, 1_000, "poisson", ConfirmDelay(0, 0))


def test_poisson_rates_are_what_was_asked() -> None:
    # 10 a second for 998 s is 9980, standard deviation 100; the seed is fixed.
    assert len(pairs(draw_arrivals(steady(RACES)))) == pytest.approx(9_980, abs=400)
    assert len(draw_arrivals(steady(HOT))) == pytest.approx(20_000, abs=600)


def test_uniform_spacing_gives_the_very_number() -> None:
    assert len(pairs(draw_arrivals(steady(replace(RACES, spacing="uniform"))))) == 9_980
    assert len(draw_arrivals(steady(replace(HOT, spacing="uniform")))) == 20_000


def test_poisson_gaps_are_memoryless() -> None:
    due = [arrival.due_ns for arrival in draw_arrivals(steady(HOT))]
    gaps = [b - a for a, b in itertools.pairwise(due)]
    mean_ns = sum(gaps) / len(gaps)
    longer = sum(gap > mean_ns for gap in gaps) / len(gaps)
    assert longer == pytest.approx(0.3679, abs=0.02)  # 1 / e


def test_the_hot_share_wants_the_hot_seats() -> None:
    seats = Counter(arrival.seat for arrival in draw_arrivals(steady(HOT)))
    hot = {seat_name(1_000 + number) for number in range(20)}
    share = sum(seats[seat] for seat in hot) / seats.total()
    assert share == pytest.approx(0.8, abs=0.02)
    assert set(seats) <= {seat_name(1_000 + number) for number in range(500)}
    # Every one of the hot seats is wanted about as often.
    assert min(seats[seat] for seat in hot) > seats.total() * 0.8 / 20 * 0.8


def test_every_pair_of_servers_races_and_either_comes_first() -> None:
    orders = Counter((a.server, b.server) for a, b in pairs(draw_arrivals(steady(RACES))).values())
    assert len(orders) == 6
    assert min(orders.values()) > orders.total() / 6 * 0.8


def test_seeds_and_phases_draw_differently() -> None:
    load = steady(RACES, 10)
    drawn = [
        [(arrival.due_ns, arrival.server) for arrival in draw_arrivals(each)]
        for each in (load, replace(load, seed=2), replace(load, phase="q"))
    ]
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]


def test_a_drawing_is_known_for_good() -> None:
    """Golden: evidence of old runs can be drawn again by any later version."""
    first, *_, last = draw_arrivals(steady(RACES, 4))
    assert first == Arrival(
        "p-s1-000000", "races", 0, "b-000000", "A-0001", "nice", first.due_ns, 0
    )
    assert (first.due_ns, last.due_ns) == (40_940_229, 3_079_598_491)


def test_patterns_that_want_the_same_seats_are_refused() -> None:
    load = replace(steady(HOT, 10), patterns=(replace(HOT, first_seat=30), RACES))
    with pytest.raises(LoadError, match=r"patterns\[0\].first_seat: seat 30 is already used by"):
        draw_arrivals(load)


def test_seat_names() -> None:
    names = {0: "A-0000", 1: "A-0001", 99: "A-0099", 100: "B-0100", 2599: "Z-2599"}
    names |= {2600: "AA-2600", 12345: "DT-12345"}
    assert {number: seat_name(number) for number in names} == names


@given(st.sets(st.integers(0, 10**6)))
def test_seat_names_are_unique(numbers: set[int]) -> None:
    assert len({seat_name(number) for number in numbers}) == len(numbers)
