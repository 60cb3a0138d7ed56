"""`runs list|show|compare`: earlier runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..analysis import Results, SweepResults
from ..analysis.comparing import compare_runs
from ..analysis.results import PhaseResult
from ..errors import EvidenceError
from ..evidence import RunDirectory, find_run, list_runs
from .analyze import Which
from .compare import show_comparison
from .options import Json
from .output import out
from .run import Runs, relative
from .verdict import show as show_any

One = Annotated[str, typer.Argument(metavar="RUN", help="A run directory, its id, or `latest`.")]
Other = Annotated[str, typer.Argument(metavar="OTHER", help="What to hold it against.")]

app = typer.Typer(help="Look at earlier runs.")


@app.command("list")
def list_(runs: Runs = Path("runs"), json: Json = False) -> None:
    """Every run there is, oldest first, with its verdict."""
    summaries = [_summary(run) for run in list_runs(runs)]
    if json:
        out.json({"schema": 1, "runs": summaries})
    elif summaries:
        out.table(
            ["run", "scenario", "policy", "points", "verdict", "double bookings"],
            [
                (
                    s["run"],
                    s["scenario"],
                    s["policy"],
                    str(s["points"] or ""),
                    s["verdict"],
                    str(s["double_bookings"]),
                )
                for s in summaries
            ],
        )
    else:
        out.step(f"no run in {runs} yet")
        out.next("./ntplab demo")


@app.command("show")
def show(run: Which = "latest", runs: Runs = Path("runs"), json: Json = False) -> None:
    """The results of a run, as they were judged."""
    directory = find_run(run, runs)
    results = _results(directory)
    if results is None:
        raise EvidenceError(
            f"{relative(directory.path)}: not judged yet",
            hint=f"./ntplab analyze {relative(directory.path)}",
        )
    if not json:
        out.text(relative(directory.path))
    show_any(results, json=json)


@app.command("compare")
def compare(
    first: One, second: Other = "latest", runs: Runs = Path("runs"), json: Json = False
) -> None:  # fmt: skip
    """Line up two runs or two sweeps, scenario and figures.

    Says what their scenarios differ in, and whether chance may account for the difference of two
    rates. Exits with 0 whatever differs.
    """
    one, other = find_run(first, runs), find_run(second, runs)
    comparison = compare_runs(one, other)
    if json:
        out.json(comparison)
    else:
        show_comparison(comparison)


def _results(directory: RunDirectory) -> Results | SweepResults | None:
    if not directory.results.exists():
        return None
    kind = Results if directory.read_manifest().sweep is None else SweepResults
    return kind.model_validate_json(directory.results.read_bytes())


def _summary(directory: RunDirectory) -> dict[str, Any]:
    manifest, results = directory.read_manifest(), _results(directory)
    return {
        "run": directory.run_id,
        "scenario": manifest.scenario_name,
        "policy": manifest.policy,
        "points": len(manifest.sweep.points) if manifest.sweep else None,
        "started_at": manifest.started_at,
        "verdict": results.verdict if results else "not judged",
        "double_bookings": sum(phase.bookings.double_bookings for phase in _phases(results)),
        "directory": str(directory.path),
    }


def _phases(results: Results | SweepResults | None) -> list[PhaseResult]:
    if isinstance(results, SweepResults):
        return [phase for point in results.points for phase in point.phases]
    return results.phases if results else []
