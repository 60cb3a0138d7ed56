"""What load is asked for: load.json, checked strictly. First stage of the buyers.

Everything wrong is reported at once, each with the place in the file and what is wrong
there. Keys that are not known are errors: a misspelt one would silently change the load.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from .fields import Fields

Spacing = Literal["poisson", "uniform"]
SPACINGS = ("poisson", "uniform")


class LoadError(Exception):
    """load.json is not usable; `problems` holds one line for each thing wrong with it."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


@dataclass(frozen=True)
class ConfirmDelay:
    """How long after the reservation was due a buyer confirms it, uniform in this range."""

    min_ns: int
    max_ns: int


@dataclass(frozen=True)
class Races:
    """Two buyers for one seat on two servers, `gap` apart; every race has a seat of its own.

    Races start `rate_hz` times a second, as long as both buyers fit into the phase.
    """

    rate_hz: float
    gap_min_ns: int
    gap_max_ns: int
    first_seat: int
    spacing: Spacing
    confirm: ConfirmDelay


@dataclass(frozen=True)
class HotSpot:
    """`seats` seats from `first_seat` on, `hot_share` of the buyers wants the first `hot_seats`."""

    rate_hz: float
    seats: int
    hot_seats: int
    hot_share: float
    first_seat: int
    spacing: Spacing
    confirm: ConfirmDelay


Pattern = Races | HotSpot


@dataclass(frozen=True)
class Load:
    """One phase of load, from `start_lab_ns` on.

    `servers` maps names to base URLs; `policy_holds`: what is held must be confirmed.
    """

    phase: str
    seed: int
    start_lab_ns: int
    duration_ns: int
    servers: Mapping[str, str]
    policy_holds: bool
    timeout_ns: int
    patterns: tuple[Pattern, ...]


def parse_load(text: str) -> Load:
    """The load that `text` (JSON) asks for. Raises `LoadError` with every problem."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise LoadError([f"not JSON: {error}"]) from None
    if not isinstance(document, dict):
        raise LoadError([f"expected an object, got {_kind(document)}"])
    problems: list[str] = []
    load = _load(Fields(document, "", problems))
    # What follows from a wrong field is not worth telling before that is right.
    if not problems:
        problems += _disagreements(load)
    if problems:
        raise LoadError(problems)
    return load


def _load(fields: Fields) -> Load:
    patterns = [
        pattern for part in fields.objects("patterns") if (pattern := _pattern(part)) is not None
    ]
    load = Load(
        phase=fields.text("phase"),
        seed=fields.integer("seed"),
        start_lab_ns=fields.integer("start_lab_ns", least=0),
        duration_ns=fields.integer("duration_ns", least=1),
        servers=_servers(fields),
        policy_holds=fields.boolean("policy_holds", default=False),
        timeout_ns=fields.integer("timeout_ns", least=1_000_000),
        patterns=tuple(patterns),
    )
    fields.no_others()
    return load


def _servers(fields: Fields) -> dict[str, str]:
    servers: dict[str, str] = {}
    for name, url in fields.mapping("servers").items():
        if isinstance(url, str) and url.startswith(("http://", "https://")):
            servers[name] = url.rstrip("/")
        else:
            fields.wrong(f"servers.{name}", f"expected an http:// or https:// URL, got {url!r}")
    return servers


def _pattern(fields: Fields) -> Pattern | None:
    kind = fields.text("kind")
    if kind == "races":
        return _races(fields)
    if kind == "hot-spot":
        return _hot_spot(fields)
    fields.wrong("kind", f"unknown pattern {kind!r}, known are races, hot-spot")
    return None


def _races(fields: Fields) -> Races:
    races = Races(
        rate_hz=fields.positive("rate_hz"),
        gap_min_ns=fields.integer("gap_min_ns", least=0),
        gap_max_ns=fields.integer("gap_max_ns", least=0),
        first_seat=fields.integer("first_seat", least=0),
        spacing=_spacing(fields),
        confirm=_confirm(fields),
    )
    fields.no_others()
    return races


def _hot_spot(fields: Fields) -> HotSpot:
    hot_spot = HotSpot(
        rate_hz=fields.positive("rate_hz"),
        seats=fields.integer("seats", least=1),
        hot_seats=fields.integer("hot_seats", least=1),
        hot_share=fields.share("hot_share"),
        first_seat=fields.integer("first_seat", least=0),
        spacing=_spacing(fields),
        confirm=_confirm(fields),
    )
    fields.no_others()
    return hot_spot


def _spacing(fields: Fields) -> Spacing:
    asked = fields.text("arrival", default="poisson")
    if asked not in SPACINGS:
        fields.wrong("arrival", f"unknown arrival {asked!r}, known are {', '.join(SPACINGS)}")
    return "uniform" if asked == "uniform" else "poisson"


def _confirm(fields: Fields) -> ConfirmDelay:
    min_ns = fields.integer("confirm_min_ns", least=0, default=0)
    max_ns = fields.integer("confirm_max_ns", least=0, default=min_ns)
    return ConfirmDelay(min_ns, max_ns)


def _disagreements(load: Load) -> Iterator[str]:
    """Fields that are right by themselves and cannot be together."""
    for index, pattern in enumerate(load.patterns):
        if isinstance(pattern, Races):
            found = [*_about_races(pattern, load), *_about_confirm(pattern.confirm)]
        else:
            found = [*_about_hot_spot(pattern), *_about_confirm(pattern.confirm)]
        yield from (f"patterns[{index}].{problem}" for problem in found)


def _about_races(races: Races, load: Load) -> Iterator[str]:
    gap_max_ns = races.gap_max_ns
    if len(load.servers) < 2:
        yield "kind: races need two servers, there is one"
    if gap_max_ns < races.gap_min_ns:
        yield f"gap_max_ns: {gap_max_ns} is below gap_min_ns ({races.gap_min_ns})"
    if gap_max_ns >= load.duration_ns:
        yield f"gap_max_ns: {gap_max_ns} does not fit into duration_ns ({load.duration_ns})"


def _about_hot_spot(spot: HotSpot) -> Iterator[str]:
    if spot.hot_seats > spot.seats:
        yield f"hot_seats: {spot.hot_seats} is more than seats ({spot.seats})"
    if spot.hot_seats == spot.seats and spot.hot_share < 1:
        yield "hot_share: must be 1 when every seat is hot"


def _about_confirm(delay: ConfirmDelay) -> Iterator[str]:
    if delay.max_ns < delay.min_ns:
        yield f"confirm_max_ns: {delay.max_ns} is below confirm_min_ns ({delay.min_ns})"


def _kind(value: Any) -> str:
    return {list: "a list", str: "a string", type(None): "null"}.get(type(value), "a scalar")
