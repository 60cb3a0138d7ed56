"""A plan for every point of a sweep. Pure.

Seats are never used twice in a sweep: what a server still remembers of an earlier point's seats
cannot touch a later point's. Arrivals do not depend on it: the same seed draws the same.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..plan import PhasePlan, Plan
from ..planner import make_plan
from ..scenario import SweepPoint, as_plain, point_words
from ..timeline import FINISH_NS, START_NS, run_ns
from ..units import NS_PER_S


@dataclass(frozen=True)
class PlannedPoint:
    """One point: what it sets, the plan that follows, the scenario as data."""

    number: int
    settings: dict[str, Any]
    plan: Plan
    scenario: dict[str, Any]

    @property
    def words(self) -> str:
        return point_words(self.settings)


def plan_points(points: Sequence[SweepPoint]) -> list[PlannedPoint]:
    """Every point's plan, seats numbered on from point to point."""
    plans = [make_plan(point.scenario) for point in points]
    width = max((seats_of(plan) for plan in plans), default=0)
    return [
        PlannedPoint(
            point.number,
            point.settings,
            with_seats_moved(plan, (point.number - 1) * width),
            as_plain(point.scenario),
        )
        for point, plan in zip(points, plans, strict=True)
    ]


def seats_of(plan: Plan) -> int:
    """How many seats all phases of a plan take together."""
    return sum(load.seats for phase in plan.phases for load in phase.load)


def with_seats_moved(plan: Plan, by: int) -> Plan:
    """The same plan with every seat's number `by` higher."""
    return replace(plan, phases=tuple(_moved(phase, by) for phase in plan.phases))


def _moved(phase: PhasePlan, by: int) -> PhasePlan:
    load = tuple(replace(load, first_seat=load.first_seat + by) for load in phase.load)
    return replace(phase, load=load)


def estimate_ns(points: Sequence[PlannedPoint]) -> int:
    """About how long a sweep takes, bringing up and taking down included."""
    return START_NS + sum(run_ns(point.plan) for point in points) + FINISH_NS


def left_s(points: Sequence[PlannedPoint], seconds: Sequence[float]) -> float:
    """About how long `points` take, from how long those before took compared with their plans."""
    planned_s = sum(run_ns(point.plan) for point in points) / NS_PER_S
    if not seconds:
        return planned_s
    return len(points) * statistics.median(seconds)
