"""`plan FILE`: what a scenario will do, without doing it; no Docker needed."""

from __future__ import annotations

from ..plan import ClockSetting, FaultPlan, LoadPlan, PhasePlan, Plan
from ..topology import build
from ..units import format_duration, format_ppm
from .loading import load_plan
from .options import Json, Overrides, ScenarioFile
from .output import out


def plan(file: ScenarioFile, overrides: Overrides = None, json: Json = False) -> None:
    """Show the nodes and the timed actions of a scenario."""
    planned = load_plan(file, overrides)
    if json:
        out.json({"schema": 1, "plan": planned.to_json()})
        return
    show_nodes(planned)
    for phase in planned.phases:
        out.text("")
        show_phase(phase)
    out.text("")
    for expectation in planned.expectations:
        out.text(f"expect {expectation}")
    out.next(f"./ntplab run {file}")


def show_nodes(planned: Plan) -> None:
    """The containers, and how wrong each clock is when clocks are skewed."""
    parameters = ", ".join(
        f"{name.removesuffix('_ns')} {format_duration(value)}"
        for name, value in planned.policy_params.items()
    )
    out.text(f"{planned.name}: policy {planned.policy} ({parameters or 'no parameters'})")
    clocks = planned.clocks
    rows = []
    for node in build(planned, planned.name, 0).nodes:
        clock = clocks.get(node.name)
        rows.append(
            (
                node.name,
                node.kind,
                format_duration(clock.offset_ns) if clock else "",
                format_ppm(clock.drift_ppm) if clock else "",
                format_duration(clock.uptime_s * 1_000_000_000) if clock else "",
                " ".join(node.networks),
            )
        )
    out.table(["node", "kind", "offset", "drift", "up for", "networks"], rows)


def show_phase(phase: PhasePlan) -> None:
    """One phase: what is done before its load, and what happens during it."""
    out.text(f"phase {phase.name} ({format_duration(phase.duration_ns)})")
    if phase.switched:
        out.text(f"  NTP {phase.ntp} ({phase.method}) on {', '.join(phase.switched)}")
    for setting in phase.set_clocks:
        out.text(f"  {_setting(setting)}")
    if phase.ntp == "on" and phase.settle:
        limit, patience = phase.settle.limit_ns, phase.settle.timeout_ns
        out.text(
            f"  wait until every clock is within {format_duration(limit)}, "
            f"at most {format_duration(patience)}"
        )
    for load in phase.load:
        out.text(f"  {_load(load)}")
    for fault in phase.faults:
        out.text(f"  {format_duration(fault.at_ns):>8}  {_fault(fault)}")


def _setting(setting: ClockSetting) -> str:
    return (
        f"set {setting.node} to {format_duration(setting.offset_ns)} off, "
        f"oscillator {format_ppm(setting.drift_ppm)}"
    )


def _load(load: LoadPlan) -> str:
    words = f"load {load.kind}: {load.rate_hz:g}/s {load.arrival}, seats from {load.first_seat}"
    if load.gap_max_ns is not None:
        low, high = load.gap_min_ns or 0, load.gap_max_ns
        words += f", second buyer {format_duration(low)} to {format_duration(high)} later"
    return words


def _fault(fault: FaultPlan) -> str:
    if fault.by_ns is not None:
        value = format_duration(fault.by_ns)
    elif fault.offset_ns is not None:
        value = format_duration(fault.offset_ns)
    elif fault.drift_ppm is not None:
        value = format_ppm(fault.drift_ppm)
    else:
        value = fault.date or fault.method or " ".join(fault.argv or ())
    return f"{fault.node}: {fault.kind} {value}".rstrip()
