"""What no single key can know: that names, times, ports and expectations fit together.

Part of the first stage. The scenario may be a salvaged one, so names are looked up in the
plain data: a server whose clock is misspelt is still a server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ..errors import Problem
from ..units import NS_PER_S, format_duration
from .faults import EVERYBODY
from .models import Phase, Scenario
from .nodes import BUYERS, DATABASE, OBSERVER
from .problems import likely
from .salvage import Salvaged
from .source import Path, Source, printable
from .systems import check_system
from .train import client_names
from .types import DAY_NS
from .workload import HotSpot, LoadPattern

ExpectationCheck = Callable[[str, tuple[str, ...], tuple[str, ...]], str | None]
"""(expression, phase names, server names) -> None, or what is wrong with it"""

ARRIVALS_MAX = 10_000_000
UPSIDE_DOWN = "the first duration is the longer one"
RESERVED = (DATABASE, OBSERVER, BUYERS)


def check(source: Source, check_expectation: ExpectationCheck | None) -> Iterator[Problem]:
    """What can be said of the plain data, whatever else is wrong with it."""
    yield from check_system(source)
    yield from _named_twice(source)
    yield from _ports(source)
    yield from _first_phase(source)
    if check_expectation:
        yield from _expectations(source, check_expectation)


def check_sound(sound: Salvaged) -> Iterator[Problem]:
    """What can be said of the sound parts of a scenario."""
    scenario, names = sound.scenario, _Names(sound.source.data)
    if scenario is None:
        return
    yield from _polls(scenario, sound)
    yield from _sources(scenario, sound, names)
    yield from _loads(scenario, sound)
    for index, phase in enumerate(scenario.phases):
        yield from _phase(scenario, phase, ("phases", index), sound, names)


class _Names:
    """Names as the file gives them, whatever else is wrong with their owners."""

    def __init__(self, data: Any) -> None:
        train = isinstance(data, dict) and data.get("system") == "train"
        self.servers = _train_names(data) if train else _names(data, "servers")
        self.time_servers = _names(data, "time_servers")
        self.phases = _names(data, "phases")
        self.others = (EVERYBODY,) if train else (DATABASE,)
        self.nodes = (*self.servers, *self.time_servers, *self.others)


def names_of(data: Any) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names of phases and of servers."""
    names = _Names(data)
    return names.phases, names.servers


def _elements(data: Any, key: str) -> list[Any]:
    elements = data.get(key) if isinstance(data, dict) else None
    return elements if isinstance(elements, list) else []


def _names(data: Any, key: str) -> tuple[str, ...]:
    elements = [e for e in _elements(data, key) if isinstance(e, dict)]
    return tuple(e["name"] for e in elements if isinstance(e.get("name"), str))


def _train_names(data: dict[str, Any]) -> tuple[str, ...]:
    """The office's and the clients'."""
    train = data.get("train")
    train = train if isinstance(train, dict) else {}
    office = train.get("office")
    name = office.get("name", "office") if isinstance(office, dict) else "office"
    return (str(name), *client_names(train.get("clients")))


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
                elif key != "phases" and name in RESERVED:
                    what = f"'{name}' is the name of one of the lab's own nodes"
                    yield source.problem(path, what)
                first.setdefault(name, path)


def _expectations(source: Source, check_expectation: ExpectationCheck) -> Iterator[Problem]:
    names = _Names(source.data)
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


def _first_phase(source: Source) -> Iterator[Problem]:
    for phase in _elements(source.data, "phases")[:1]:
        if isinstance(phase, dict) and phase.get("ntp", "keep") == "keep":
            what = "the first phase has no NTP state to keep: write ntp: on or ntp: off"
            yield source.problem(("phases", 0, "ntp"), what)


def _polls(scenario: Scenario, sound: Salvaged) -> Iterator[Problem]:
    if scenario.ntp.minpoll > scenario.ntp.maxpoll:
        what = f"must be at least minpoll ({scenario.ntp.minpoll}), not '{scenario.ntp.maxpoll}'"
        yield sound.problem(("ntp", "maxpoll"), what)


def _sources(scenario: Scenario, sound: Salvaged, names: _Names) -> Iterator[Problem]:
    for number, server in enumerate(scenario.servers):
        for index, name in enumerate(server.ntp.sources or ()):
            if name not in names.time_servers:
                path = ("servers", number, "ntp", "sources", index)
                yield sound.problem(
                    path, f"there is no time server '{name}'", likely(name, names.time_servers)
                )


def _loads(scenario: Scenario, sound: Salvaged) -> Iterator[Problem]:
    """Patterns that cannot be played in the shortest phase that plays them."""
    default_ns = [phase.duration for phase in scenario.phases if phase.load is None]
    for index, pattern in enumerate(scenario.load):
        duration_ns = (min(default_ns, default=DAY_NS), max(default_ns, default=0))
        yield from _pattern(scenario, sound, ("load", index), pattern, *duration_ns)
    for number, phase in enumerate(scenario.phases):
        for index, pattern in enumerate(phase.load or ()):
            path = ("phases", number, "load", index)
            yield from _pattern(scenario, sound, path, pattern, phase.duration, phase.duration)


def _pattern(
    scenario: Scenario,
    sound: Salvaged,
    path: Path,
    pattern: LoadPattern,
    shortest_ns: int,
    longest_ns: int,
) -> Iterator[Problem]:
    if pattern.rate * longest_ns / NS_PER_S > ARRIVALS_MAX:
        what = f"more than {ARRIVALS_MAX} arrivals in {format_duration(longest_ns)}"
        yield sound.problem((*path, "rate"), what)
    if pattern.confirm_after[0] > pattern.confirm_after[1]:
        yield sound.problem((*path, "confirm_after"), UPSIDE_DOWN)
    if isinstance(pattern, HotSpot):
        yield from _hot_spot(sound, path, pattern)
        return
    if len(scenario.servers) < 2:
        yield sound.problem(path, "a race needs two servers, there is one")
    if pattern.gap[0] > pattern.gap[1]:
        yield sound.problem((*path, "gap"), UPSIDE_DOWN)
    elif pattern.gap[1] >= shortest_ns:
        gap, duration = format_duration(pattern.gap[1]), format_duration(shortest_ns)
        what = f"{gap} does not fit into a phase of {duration}"
        yield sound.problem((*path, "gap"), what)


def _hot_spot(sound: Salvaged, path: Path, pattern: HotSpot) -> Iterator[Problem]:
    if pattern.hot_seats > pattern.seats:
        what = f"more hot seats ({pattern.hot_seats}) than seats ({pattern.seats})"
        yield sound.problem((*path, "hot_seats"), what)
    if pattern.hot_seats == pattern.seats and pattern.hot_share < 1:
        yield sound.problem((*path, "hot_share"), "must be 1 when every seat is hot")


def _phase(
    scenario: Scenario, phase: Phase, path: Path, sound: Salvaged, names: _Names
) -> Iterator[Problem]:
    steered = [*names.servers, *([DATABASE] if scenario.database.ntp else [])]
    for index, name in enumerate(phase.servers or ()):
        if name not in steered:
            what = f"there is no server '{name}' whose NTP could be switched"
            yield sound.problem((*path, "servers", index), what, likely(name, steered))
    if phase.ntp == "on" and not names.time_servers:
        yield sound.problem((*path, "ntp"), "NTP cannot be on: there are no time_servers")
    if phase.trials > 1:
        yield from _trials(phase, path, sound)
    for index, fault in enumerate(phase.faults):
        here = (*path, "faults", index)
        if fault.server not in names.nodes:
            what = f"there is no node '{fault.server}'"
            yield sound.problem((*here, "server"), what, likely(fault.server, names.nodes))
        elif fault.kind in ("ntp-on", "ntp-off") and fault.server not in steered:
            what = f"'{fault.server}' has no NTP that could be switched"
            yield sound.problem((*here, "server"), what)
        if fault.at >= phase.duration:
            at, duration = format_duration(fault.at), format_duration(phase.duration)
            what = f"{at} is not within the phase of {duration}"
            yield sound.problem((*here, "at"), what)


def _trials(phase: Phase, path: Path, sound: Salvaged) -> Iterator[Problem]:
    """Whatever a trial leaves behind that the phase does not put back spoils the next one."""
    kinds = {fault.kind for fault in phase.faults}
    if "kill" in kinds:
        what = "a node that was killed stays dead: this phase can have one trial only"
        yield sound.problem((*path, "trials"), what)
    if phase.ntp == "keep" and kinds & {"ntp-off", "ntp-on"}:
        what = "a fault switches NTP and no trial switches it back"
        yield sound.problem((*path, "trials"), what, "write ntp: on or ntp: off in this phase")
    bending = kinds - {"thaw", "exec", "kill", "ntp-off", "ntp-on"}
    if phase.clocks == "keep" and bending and path[-1] != 0:
        what = "a fault bends a clock and no trial sets it back"
        yield sound.problem((*path, "trials"), what, "write clocks: true or clocks: skewed")
