"""`plan FILE`: what a scenario will do, without doing it; no Docker needed."""

from __future__ import annotations

from dataclasses import asdict

from ..plan import Plan
from ..timeline import estimate_ns, timeline
from ..topology import build
from ..units import format_duration, format_ppm
from .loading import load_plan
from .options import Json, Overrides, ScenarioFile
from .output import out


def plan(file: ScenarioFile, overrides: Overrides = None, json: Json = False) -> None:
    """Show the nodes and the timed actions of a scenario.

    Starts nothing and needs no Docker.
    """
    planned = load_plan(file, overrides)
    if json:
        actions = [asdict(action) for action in timeline(planned)]
        out.json({"schema": 1, "plan": planned.to_json(), "actions": actions})
        return
    show_nodes(planned)
    out.text("")
    out.table(
        ["phase", "at", "action", "target", "value"],
        [
            (a.phase, format_duration(a.at_ns), a.action, a.target, a.value)
            for a in timeline(planned)
        ],
    )
    out.text(f"about {estimate_ns(planned) / 1e9:.0f} s in all")
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
                f"{clock.uptime_s / 86_400:.1f} d" if clock else "",
                " ".join(node.networks),
                clock.oscillator.words() if clock else "",
            )
        )
    out.table(["node", "kind", "offset", "drift", "up for", "networks", "models"], rows)
