"""What no single key can know: that names, times, ports and expectations fit together.

Part of the first stage. The scenario may be a salvaged one, so names are also looked up in
the plain data: a server whose clock is misspelt is still a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..errors import Problem
from ..units import NS_PER_S, format_duration
from .models import Phase, Scenario
from .nodes import DATABASE, OBSERVER
from .problems import likely
from .source import Path, Source, printable
from .types import DAY_NS
from .workload import HotSpot, LoadPattern

ExpectationCheck = Callable[[str, tuple[str, ...], tuple[str, ...]], str | None]
"""(expression, phase names, server names) -> None, or what is wrong with it"""

ARRIVALS_MAX = 10_000_000
UPSIDE_DOWN = "the first duration is the longer one"
RESERVED = (DATABASE, OBSERVER)


def check(
    scenario: Scenario | None, source: Source, check_expectation: ExpectationCheck | None
) -> Iterator[Problem]:
    """Every problem across keys; `scenario` is None when nothing could be salvaged."""
    names = _Names(source.data)
    yield from _named_twice(source)
    if check_expectation:
        yield from _expectations(source, names, check_expectation)
    if scenario is None:
        return
    yield from _ports(source)
    yield from _polls(scenario, source)
    yield from _sources(scenario, source, names)
    yield from _loads(scenario, source)
    yield from _first_phase(scenario, source)
    for phase in scenario.phases:
        yield from _phase(scenario, phase, source, names)


class _Names:
    """Names as the file gives them, whatever else is wrong with their owners."""

    def __init__(self, data: Any) -> None:
        self.servers = _names(data, "servers")
        self.time_servers = _names(data, "time_servers")
        self.phases = _names(data, "phases")
        self.nodes = (*self.servers, *self.time_servers, DATABASE)


def _elements(data: Any, key: str) -> list[Any]:
    elements = data.get(key) if isinstance(data, dict) else None
    return elements if isinstance(elements, list) else []


def _names(data: Any, key: str) -> tuple[str, ...]:
    elements = [e for e in _elements(data, key) if isinstance(e, dict)]
    return tuple(e["name"] for e in elements if isinstance(e.get("name"), str))


def _named_twice(source: Source) -> Iterator[Problem]:
    for keys in (("servers", "time_servers"), ("phases",)):
        first: dict[Any, Path] = {}
        for key in keys:
            for index, element in enumerate(_elements(source.data, key)):
                name = element.get("name") if isinstance(element, dict) else None
                path = (key, index, "name")
                if not isinstance(name, str):
                    continue
                if name in first:
                    line = source.origin(first[name]).line
                    yield source.problem(path, f"'{name}' is already the name on line {line}")
                elif key != "phases" and (name in RESERVED or name.startswith("buyers-")):
                    what = f"'{name}' is the name of one of the lab's own nodes"
                    yield source.problem(path, what)
                first.setdefault(name, path)


def _expectations(
    source: Source, names: _Names, check_expectation: ExpectationCheck
) -> Iterator[Problem]:
    for index, text in enumerate(_elements(source.data, "expect")):
        what = check_expectation(text, names.phases, names.servers) if isinstance(text, str) else ""
        if what:
            origin = source.origin(("expect", index))
            yield Problem(origin.file, origin.line, printable(f"expect: {text}"), printable(what))


def _ports(source: Source) -> Iterator[Problem]:
    first: dict[int, str] = {}
    for index, server in enumerate(_elements(source.data, "servers")):
        port = server.get("port") if isinstance(server, dict) else None
        if not isinstance(port, int):
            continue
        if port in first:
            what = f"port {port} is already published by '{first[port]}'"
            yield source.problem(("servers", index, "port"), what)
        first.setdefault(port, str(server.get("name", f"server {index}")))


def _polls(scenario: Scenario, source: Source) -> Iterator[Problem]:
    if scenario.ntp.minpoll > scenario.ntp.maxpoll:
        what = f"must be at least minpoll ({scenario.ntp.minpoll}), not '{scenario.ntp.maxpoll}'"
        yield source.problem(("ntp", "maxpoll"), what)


def _sources(scenario: Scenario, source: Source, names: _Names) -> Iterator[Problem]:
    for server in scenario.servers:
        for index, name in enumerate(server.ntp.sources or ()):
            if name not in names.time_servers:
                path = (*_find(source, "servers", server.name), "ntp", "sources", index)
                yield source.problem(
                    path, f"there is no time server '{name}'", likely(name, names.time_servers)
                )


def _loads(scenario: Scenario, source: Source) -> Iterator[Problem]:
    """Patterns that cannot be played in the shortest phase that plays them."""
    default_ns = [phase.duration for phase in scenario.phases if phase.load is None]
    for index, pattern in enumerate(scenario.load):
        duration_ns = (min(default_ns, default=DAY_NS), max(default_ns, default=0))
        yield from _pattern(scenario, source, ("load", index), pattern, *duration_ns)
    for phase in scenario.phases:
        base = (*_find(source, "phases", phase.name), "load")
        for index, pattern in enumerate(phase.load or ()):
            path = (*base, index)
            yield from _pattern(scenario, source, path, pattern, phase.duration, phase.duration)


def _pattern(
    scenario: Scenario,
    source: Source,
    path: Path,
    pattern: LoadPattern,
    shortest_ns: int,
    longest_ns: int,
) -> Iterator[Problem]:
    if pattern.rate * longest_ns / NS_PER_S > ARRIVALS_MAX:
        what = f"more than {ARRIVALS_MAX} arrivals in {format_duration(longest_ns)}"
        yield source.problem((*path, "rate"), what)
    if pattern.confirm_after[0] > pattern.confirm_after[1]:
        yield source.problem((*path, "confirm_after"), UPSIDE_DOWN)
    if isinstance(pattern, HotSpot):
        yield from _hot_spot(source, path, pattern)
        return
    if len(scenario.servers) < 2:
        yield source.problem(path, "a race needs two servers, there is one")
    if pattern.gap[0] > pattern.gap[1]:
        yield source.problem((*path, "gap"), UPSIDE_DOWN)
    elif pattern.gap[1] >= shortest_ns:
        gap, duration = format_duration(pattern.gap[1]), format_duration(shortest_ns)
        what = f"{gap} does not fit into a phase of {duration}"
        yield source.problem((*path, "gap"), what)


def _hot_spot(source: Source, path: Path, pattern: HotSpot) -> Iterator[Problem]:
    if pattern.hot_seats > pattern.seats:
        what = f"more hot seats ({pattern.hot_seats}) than seats ({pattern.seats})"
        yield source.problem((*path, "hot_seats"), what)
    if pattern.hot_seats == pattern.seats and pattern.hot_share < 1:
        yield source.problem((*path, "hot_share"), "must be 1 when every seat is hot")


def _first_phase(scenario: Scenario, source: Source) -> Iterator[Problem]:
    """Asked of the file's first phase, not of the first that could be salvaged."""
    first = scenario.phases[0]
    path = _find(source, "phases", first.name)
    if path == ("phases", 0) and first.ntp == "keep":
        what = "the first phase has no NTP state to keep: write ntp: on or ntp: off"
        yield source.problem((*path, "ntp"), what)


def _phase(scenario: Scenario, phase: Phase, source: Source, names: _Names) -> Iterator[Problem]:
    path = _find(source, "phases", phase.name)
    steered = [*names.servers, *([DATABASE] if scenario.database.ntp else [])]
    for index, name in enumerate(phase.servers or ()):
        if name not in steered:
            what = f"there is no server '{name}' whose NTP could be switched"
            yield source.problem((*path, "servers", index), what, likely(name, steered))
    if phase.ntp == "on" and not names.time_servers:
        yield source.problem((*path, "ntp"), "NTP cannot be on: there are no time_servers")
    for index, fault in enumerate(phase.faults):
        here = (*path, "faults", index)
        if fault.server not in names.nodes:
            what = f"there is no node '{fault.server}'"
            yield source.problem((*here, "server"), what, likely(fault.server, names.nodes))
        elif fault.kind in ("ntp-on", "ntp-off") and fault.server not in steered:
            what = f"'{fault.server}' has no NTP that could be switched"
            yield source.problem((*here, "server"), what)
        if fault.at >= phase.duration:
            at, duration = format_duration(fault.at), format_duration(phase.duration)
            what = f"{at} is not within the phase of {duration}"
            yield source.problem((*here, "at"), what)


def _find(source: Source, key: str, name: str) -> Path:
    """The path of the element so named (elements move when others were salvaged away)."""
    for index, element in enumerate(_elements(source.data, key)):
        if isinstance(element, dict) and element.get("name") == name:
            return (key, index)
    return (key,)
