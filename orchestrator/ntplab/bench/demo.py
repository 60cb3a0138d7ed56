"""How long the demo takes: bringing up, three phases, taking down, judging."""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..analysis import check_expectation
from ..lab import silent
from ..paths import HEADLINE_SCENARIO
from ..planner import make_plan
from ..run import RunRequest, run
from ..scenario import load_scenario
from ..scenario.models import as_plain
from .figures import Outcome, against_limit
from .measuring import Bench

NAME = "demo_seconds"
ABOUT = {NAME: "the headline scenario from nothing to its verdict, images built"}
LIMIT_S = 90.0


def measure(bench: Bench) -> Iterator[Outcome]:
    """A figure in seconds; the run directory is not kept."""
    driver = bench.driver
    begin = time.monotonic()
    scenario = load_scenario(HEADLINE_SCENARIO, (), check_expectation)
    request = RunRequest(
        make_plan(scenario),
        HEADLINE_SCENARIO.read_text(encoding="utf-8"),
        as_plain(scenario),
        bench.scratch / "runs",
    )
    _directory, results = run(request, driver, silent)
    seconds = time.monotonic() - begin
    bench.tell(NAME, f"{seconds:.1f} s, verdict: {results.verdict}")
    yield against_limit(NAME, [seconds], LIMIT_S, "s")
