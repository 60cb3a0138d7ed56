"""What a point of a sweep costs beside its own measuring, where nothing is restarted for it.

The shipped sweep, with short phases: two points in three differ in a clock only, the third in the
policy's parameters too. Each point puts data, clocks and NTP back, sees that they are, plays its
load, collects, seals and is judged.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis import SweepResults
from ..analysis.sweep_results import PointResult
from ..errors import LabError
from ..lab import silent
from ..paths import HEADLINE_SCENARIO
from ..planner import make_plan
from ..scenario import Checks, load_experiment
from ..sweep import SweepRequest, plan_points, run_sweep
from .figures import Outcome, against_limit
from .measuring import Bench

NAME = "sweep_point_overhead"
ABOUT = {NAME: "a point of a sweep that needs no restart: s beside its own measuring time"}
LIMIT_S = 1.5
SCENARIO = HEADLINE_SCENARIO.with_name("how-good-must-ntp-be.yaml")
OVERRIDES = (
    "phases.load.duration=2500ms",
    "expect=[]",
    "sweep.expect=[]",
    "sweep.grid.skew.values=[0s, 500ms, 2s]",
)


def measure(bench: Bench) -> Iterator[Outcome]:
    """A figure in seconds; the run directory is not kept."""
    _directory, results = run_sweep(wanted(bench), bench.driver, silent)
    points = reused(results)
    for point in points:
        bench.tell(NAME, f"{point.overhead_s:.2f} s ({', '.join(point.changed) or 'clocks only'})")
    spent = [point.overhead_s for point in points if point.overhead_s is not None]
    yield against_limit(NAME, spent, LIMIT_S, "s")


def wanted(bench: Bench) -> SweepRequest:
    """The shipped sweep in little, into the benchmark's own folder."""
    experiment = load_experiment(SCENARIO, OVERRIDES, Checks())
    return SweepRequest(
        make_plan(experiment.scenario),
        plan_points(experiment.points),
        (),
        experiment.text,
        OVERRIDES,
        bench.scratch / "runs",
    )


def reused(results: SweepResults) -> list[PointResult]:
    """The points that ran in the lab of the one before. Raises `LabError` when there is none."""
    points = [p for p in results.points if p.overhead_s is not None and not p.restarted]
    if not points:
        raise LabError("no point came to its end in the lab of the one before")
    return points
