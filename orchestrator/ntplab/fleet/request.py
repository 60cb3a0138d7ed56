"""What to run on which hosts, and what of a plan no fleet can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..plan import ClockSetting, PhasePlan, Plan
from .inventory import Fleet


@dataclass(frozen=True)
class FleetRequest:
    """What to run, and on what."""

    plan: Plan
    fleet: Fleet
    scenario_text: str
    scenario: Mapping[str, object]
    runs: Path
    out: Path | None = None
    deploy: bool = True
    overrides: Sequence[str] = ()


def unfit(plan: Plan, fleet: Fleet) -> list[str]:
    """Why this plan cannot be run on this fleet; empty when it can."""
    names = [server.name for server in plan.servers]
    found = []
    if plan.train is not None:
        return ["the train system has no fleet"]
    if sorted(names) != sorted(fleet.names):
        there = ", ".join(fleet.names)
        found.append(f"its servers are {', '.join(names)}; the inventory's are {there}")
    for phase in plan.phases:
        if phase.faults:
            found.append(f"phase {phase.name}: faults within a phase happen in a lab only")
        if phase.ntp != "keep" and phase.method != "daemon":
            found.append(f"phase {phase.name}: NTP is switched by the daemon only")
        if any(s.drift_ppm for s in settings_of(phase, names)):
            found.append(f"phase {phase.name}: a real clock can be set, not made to drift")
    changed = {name for phase in plan.phases for name in touched(phase, names)}
    denied = [h.name for h in fleet.hosts if h.name in changed and not h.may_change]
    if denied:
        found.append(f"allow_clock_changes is not true for {', '.join(denied)}")
    return found


def settings_of(phase: PhasePlan, names: Sequence[str]) -> Iterator[ClockSetting]:
    """Where a phase puts the clocks of hosts; a lab's other nodes a fleet does not have."""
    return (setting for setting in phase.set_clocks if setting.node in names)


def touched(phase: PhasePlan, names: Sequence[str]) -> Iterator[str]:
    """The hosts whose NTP or clock a phase changes."""
    yield from (name for name in phase.switched if name in names)
    yield from (setting.node for setting in settings_of(phase, names) if setting.offset_ns)
