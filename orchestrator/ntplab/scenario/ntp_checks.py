"""Follows every node's NTP through the phases: what was switched off must be put back.

Part of the first stage, one of its checks. A daemon that was stopped does not come back by
reconnecting a network, so NTP is switched on the way it was switched off.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..errors import Problem
from .faults import NtpOff, NtpOn
from .models import Phase, Scenario
from .nodes import DATABASE
from .source import Path, Source

OffBy = dict[str, set[str]]
"""node -> the methods by which its NTP is off; empty when it is on"""


def check_switching(scenario: Scenario, source: Source) -> Iterator[Problem]:
    """Every switch that could not turn NTP on because it is off in another way too."""
    nodes = [s.name for s in scenario.machines] + [DATABASE] * scenario.database.ntp
    first = scenario.phases[0]
    off_by: OffBy = {node: set() for node in nodes}
    for node in nodes:
        if first.ntp == "on" and node not in (first.servers or nodes):
            off_by[node].add("daemon")
    for index, phase in enumerate(scenario.phases):
        path: Path = ("phases", index)
        for what in _switch(off_by, phase.ntp, phase.method, phase.servers or tuple(nodes)):
            yield source.problem((*path, "ntp"), what)
        yield from _faults(off_by, phase, path, source)
    yield from _methods(scenario, nodes, source)


def _faults(off_by: OffBy, phase: Phase, path: Path, source: Source) -> Iterator[Problem]:
    """The phase's own switches, in the order of time."""
    by_time = sorted(enumerate(phase.faults), key=lambda pair: pair[1].at)
    for index, fault in by_time:
        if isinstance(fault, NtpOff | NtpOn):
            state = "off" if isinstance(fault, NtpOff) else "on"
            for what in _switch(off_by, state, fault.value, (fault.server,)):
                yield source.problem((*path, "faults", index), what)


def _methods(scenario: Scenario, nodes: list[str], source: Source) -> Iterator[Problem]:
    """Sources switched of daemons that cannot be told that theirs are offline."""
    other = {s.name: s.ntp.daemon or scenario.ntp.daemon for s in scenario.machines}
    other = {node: daemon for node, daemon in other.items() if daemon != "chrony"}
    for number, phase in enumerate(scenario.phases):
        if phase.ntp != "keep" and phase.method == "sources":
            for node in phase.servers or nodes:
                if node in other:
                    yield source.problem(("phases", number, "method"), _deaf(node, other[node]))
        for index, fault in enumerate(phase.faults):
            by_sources = isinstance(fault, NtpOff | NtpOn) and fault.value == "sources"
            if by_sources and fault.server in other:
                path: Path = ("phases", number, "faults", index)
                yield source.problem(path, _deaf(fault.server, other[fault.server]))


def _deaf(node: str, daemon: str) -> str:
    return f"{node} runs {daemon}, which cannot be told that its sources are offline"


def _switch(off_by: OffBy, state: str, method: str, nodes: tuple[str, ...]) -> Iterator[str]:
    for node in nodes:
        methods = off_by.get(node, set())
        if state == "off":
            methods.add(method)
        elif state == "on":
            methods.discard(method)
            if methods:
                how = " and ".join(sorted(methods))
                yield f"NTP of {node} stays off: it was switched off by {how}, not by {method}"
