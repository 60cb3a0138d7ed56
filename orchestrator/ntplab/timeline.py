"""A plan as the list of timed actions that `ntplab plan` prints. Pure; part of the second stage."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .plan import ClockSetting, FaultPlan, LoadPlan, PhasePlan, Plan
from .units import NS_PER_S, format_duration, format_ppm, format_rate

# What a run takes beside its phases, seen on two cores with the images built.
START_NS = 12 * NS_PER_S
PER_PHASE_NS = 3 * NS_PER_S
SETTLING_NS = 6 * NS_PER_S
FINISH_NS = 8 * NS_PER_S


@dataclass(frozen=True)
class TimedAction:
    """One thing a run does. `at_ns` counts from the beginning of the phase's load; what is
    done before the load begins is at 0 and comes first."""

    phase: str
    at_ns: int
    action: str
    target: str
    value: str


def timeline(plan: Plan) -> list[TimedAction]:
    """Every action of every phase, in the order in which they happen."""
    return [
        TimedAction(phase.name, at_ns, action, target, value)
        for phase in plan.phases
        for at_ns, action, target, value in _phase(phase)
    ]


def estimate_ns(plan: Plan) -> int:
    """About how long a run takes, bringing up and taking down included."""
    return START_NS + run_ns(plan) + FINISH_NS


def run_ns(plan: Plan) -> int:
    """About how long the phases of a plan take in a lab that is up."""
    settling = sum(SETTLING_NS for phase in plan.phases if phase.settle)
    return settling + sum(phase.duration_ns + PER_PHASE_NS for phase in plan.phases)


def _phase(phase: PhasePlan) -> Iterator[tuple[int, str, str, str]]:
    nodes = " ".join(phase.switched)
    if phase.begins_off:
        yield 0, "ntp off", nodes, f"by {phase.method}"
    for clock in phase.set_clocks:
        value = setting_in_words(clock)
        yield 0, "set clock", clock.node, value
    if phase.ntp == "on":
        yield 0, "ntp on", nodes, f"by {phase.method}"
    if phase.settle:
        limit, timeout = phase.settle.limit_ns, phase.settle.timeout_ns
        value = f"within {format_duration(limit)}, at most {format_duration(timeout)}"
        yield 0, "settle", nodes, value
    for load in phase.load:
        yield 0, "load", load.kind, _load(load)
    for fault in phase.faults:
        yield fault.at_ns, fault.kind, fault.node, _fault(fault)
    yield phase.duration_ns, "end", "", ""


def setting_in_words(clock: ClockSetting) -> str:
    """What a clock is set to: its offset, its drift, what else its oscillator does."""
    words = f"{format_duration(clock.offset_ns)} {format_ppm(clock.drift_ppm)}"
    return ", ".join(filter(None, [words, clock.oscillator.words()]))


def _load(load: LoadPlan) -> str:
    seats = f"seats {load.first_seat} to {load.first_seat + load.seats - 1}"
    if load.gap_min_ns is None or load.gap_max_ns is None:
        return f"{format_rate(load.rate_hz)}, {seats}"
    gap = f"{format_duration(load.gap_min_ns)} to {format_duration(load.gap_max_ns)}"
    return f"{format_rate(load.rate_hz)}, {seats}, {gap} apart"


def _fault(fault: FaultPlan) -> str:
    if fault.by_ns is not None:
        return f"by {format_duration(fault.by_ns)}"
    if fault.offset_ns is not None:
        return format_duration(fault.offset_ns)
    if fault.drift_ppm is not None:
        return format_ppm(fault.drift_ppm)
    for model in (fault.wander, fault.temperature, fault.strobe):
        if model is not None:
            return model.words().removeprefix(f"{fault.kind} ")
    if fault.method is not None:
        return f"by {fault.method}"
    if fault.link is not None:
        return fault.link.words()
    if fault.action is not None:
        return fault.action
    return fault.date or " ".join(fault.argv or ())
