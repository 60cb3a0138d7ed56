"""Draws every arrival of a load before the first is sent. Pure: load in, arrivals out.

Second stage of the buyers. The same load gives the same arrivals, on every machine and
every Python: only `Random.random()` is drawn from, whose sequence Python guarantees.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random

from .load import ConfirmDelay, HotSpot, Load, LoadError, Races, Spacing
from .seats import seat_name

NS_PER_S = 1_000_000_000


@dataclass(frozen=True)
class Arrival:
    """One buyer who comes for one seat at `due_ns` after the start of the load.

    `race` counts the races of a load from 0, None outside of races; `confirm_delay_ns`
    counts from `due_ns`, for the policies that hold first.
    """

    attempt_id: str
    pattern: str
    race: int | None
    buyer: str
    seat: str
    server: str
    due_ns: int
    confirm_delay_ns: int


@dataclass(frozen=True)
class _Draft:
    """An arrival that has no number yet: numbers follow the order of all patterns together."""

    pattern: str
    race: int | None
    seat: int
    server: str
    due_ns: int
    confirm_delay_ns: int


def draw_arrivals(load: Load) -> list[Arrival]:
    """All arrivals of `load` in the order they are due.

    Raises `LoadError` when two patterns want the same seats: what happened on a seat could
    then not be told apart.
    """
    drafts: list[_Draft] = []
    used: list[tuple[int, int]] = []
    races = 0
    for index, pattern in enumerate(load.patterns):
        rng = Random(f"{load.seed}/{load.phase}/{index}")
        if isinstance(pattern, Races):
            drawn = list(_draw_races(pattern, load, rng, races))
            races += len(drawn) // 2
            seats = (pattern.first_seat, pattern.first_seat + len(drawn) // 2)
        else:
            drawn = list(_draw_hot_spot(pattern, load, rng))
            seats = (pattern.first_seat, pattern.first_seat + pattern.seats)
        drafts += drawn
        used.append(seats)
    _check_disjoint(used)
    drafts.sort(key=lambda draft: draft.due_ns)
    return [_numbered(load, number, draft) for number, draft in enumerate(drafts)]


def _draw_races(pattern: Races, load: Load, rng: Random, first_race: int) -> Iterator[_Draft]:
    servers = sorted(load.servers)
    # Both buyers of every race have to fit into the phase, whatever the gap.
    span_ns = load.duration_ns - pattern.gap_max_ns
    for number, start_ns in enumerate(_starts(pattern.spacing, pattern.rate_hz, span_ns, rng)):
        gap_ns = _between(rng, pattern.gap_min_ns, pattern.gap_max_ns)
        first = _between(rng, 0, len(servers) - 1)
        # A step of 1 .. n-1 around the ring never comes back to the first server.
        second = (first + _between(rng, 1, len(servers) - 1)) % len(servers)
        for server, due_ns in ((first, start_ns), (second, start_ns + gap_ns)):
            yield _Draft(
                pattern="races",
                race=first_race + number,
                seat=pattern.first_seat + number,
                server=servers[server],
                due_ns=due_ns,
                confirm_delay_ns=_confirm_delay(pattern.confirm, rng),
            )


def _draw_hot_spot(pattern: HotSpot, load: Load, rng: Random) -> Iterator[_Draft]:
    servers = sorted(load.servers)
    for due_ns in _starts(pattern.spacing, pattern.rate_hz, load.duration_ns, rng):
        hot = rng.random() < pattern.hot_share
        low, high = (0, pattern.hot_seats) if hot else (pattern.hot_seats, pattern.seats)
        yield _Draft(
            pattern="hot-spot",
            race=None,
            seat=pattern.first_seat + _between(rng, low, high - 1),
            server=servers[_between(rng, 0, len(servers) - 1)],
            due_ns=due_ns,
            confirm_delay_ns=_confirm_delay(pattern.confirm, rng),
        )


def _starts(spacing: Spacing, rate_hz: float, span_ns: int, rng: Random) -> list[int]:
    """Instants in [0, span_ns), in order: a Poisson process, or its mean number, uniform."""
    return _STARTS[spacing](rate_hz, span_ns, rng)


def _poisson(rate_hz: float, span_ns: int, rng: Random) -> list[int]:
    starts: list[int] = []
    at_s = 0.0
    while True:
        # 1 - u lies in (0, 1]: the logarithm of 0 is never taken.
        at_s -= math.log(1.0 - rng.random()) / rate_hz
        at_ns = int(at_s * NS_PER_S)
        if at_ns >= span_ns:
            return starts
        starts.append(at_ns)


def _uniform(rate_hz: float, span_ns: int, rng: Random) -> list[int]:
    count = round(rate_hz * span_ns / NS_PER_S)
    return sorted(_between(rng, 0, span_ns - 1) for _ in range(count))


_STARTS: dict[Spacing, Callable[[float, int, Random], list[int]]] = {
    "poisson": _poisson,
    "uniform": _uniform,
}


def _between(rng: Random, low: int, high: int) -> int:
    """An integer in [low, high], uniform to one part in 2^53."""
    return low + int(rng.random() * (high - low + 1))


def _confirm_delay(delay: ConfirmDelay, rng: Random) -> int:
    return _between(rng, delay.min_ns, delay.max_ns)


def _check_disjoint(used: list[tuple[int, int]]) -> None:
    ordered = sorted(enumerate(used), key=lambda item: item[1])
    for (index, (first, end)), (other, (start, _)) in pairwise(ordered):
        if start < end:
            raise LoadError(
                [
                    f"patterns[{other}].first_seat: seat {start} is already used by "
                    f"patterns[{index}], which has seats {first} to {end - 1}"
                ]
            )


def _numbered(load: Load, number: int, draft: _Draft) -> Arrival:
    return Arrival(
        attempt_id=f"{load.phase}-s{load.seed}-{number:06d}",
        pattern=draft.pattern,
        race=draft.race,
        buyer=f"b-{number:06d}",
        seat=seat_name(draft.seat),
        server=draft.server,
        due_ns=draft.due_ns,
        confirm_delay_ns=draft.confirm_delay_ns,
    )
