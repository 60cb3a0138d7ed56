"""`plan FILE`: what a scenario will do, without doing it; no Docker needed."""

from __future__ import annotations

import itertools
from dataclasses import asdict
from typing import Any

from ..plan import Plan
from ..planner import make_plan
from ..scenario import value_words
from ..sweep import PlannedPoint, compare, plan_points, rendered
from ..sweep import estimate_ns as estimate_sweep_ns
from ..timeline import estimate_ns, timeline
from ..topology import build
from ..units import format_duration, format_ppm
from .loading import load_all
from .options import Json, Overrides, ScenarioFile
from .output import out


def plan(file: ScenarioFile, overrides: Overrides = None, json: Json = False) -> None:
    """Show the nodes and the timed actions of a scenario.

    Starts nothing and needs no Docker.
    """
    experiment = load_all(file, overrides)
    planned = make_plan(experiment.scenario)
    points = plan_points(experiment.points)
    if json and points:
        out.json({"schema": 1, "plan": planned.to_json(), "points": sweep_json(points)})
        return
    if json:
        actions = [asdict(action) for action in timeline(planned)]
        out.json({"schema": 1, "plan": planned.to_json(), "actions": actions})
        return
    show_nodes(planned)
    out.text("")
    if points:
        show_points(points)
        out.next(f"./ntplab run {file}")
        return
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


def sweep_json(points: list[PlannedPoint]) -> list[dict[str, Any]]:
    """Every point: what it sets, what has to be done to the lab for it, its timed actions."""
    return [
        {
            "number": point.number,
            "set": point.settings,
            "changes": changes,
            "actions": [asdict(action) for action in timeline(point.plan)],
        }
        for point, changes in zip(points, changes_between(points), strict=True)
    ]


def changes_between(points: list[PlannedPoint]) -> list[list[str]]:
    """What every point needs done after the one before it, in words."""
    shown = [rendered(point.plan) for point in points]
    between = [compare(*pair).words() for pair in itertools.pairwise(shown)]
    return [["lab made anew: the first point"], *between]


def show_points(points: list[PlannedPoint]) -> None:
    """The points as a table."""
    names = list(dict.fromkeys(name for point in points for name in point.settings))
    out.table(
        ["point", *names, "before it"],
        [
            (
                str(point.number),
                *(value_words(point.settings.get(name, "")) for name in names),
                "; ".join(changes) or "clocks and data reset",
            )
            for point, changes in zip(points, changes_between(points), strict=True)
        ],
    )
    out.text(f"{len(points)} points, about {estimate_sweep_ns(points) / 1e9:.0f} s in all")
