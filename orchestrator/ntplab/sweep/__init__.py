"""The same experiment at many points, in one running lab where that is possible.

plans.py     a plan for every point
changes.py   what two points' rendered plans differ in, and so what has to be done between them
stage.py     the lab: made, changed from point to point, taken down
point.py     one point, as a run of its own
running.py   the story: read this first
"""

from .changes import Changes, Rendered, compare, rendered
from .plans import PlannedPoint, estimate_ns, plan_points
from .running import SweepRequest, resume_sweep, run_sweep

__all__ = [
    "Changes",
    "PlannedPoint",
    "Rendered",
    "SweepRequest",
    "compare",
    "estimate_ns",
    "plan_points",
    "rendered",
    "resume_sweep",
    "run_sweep",
]
