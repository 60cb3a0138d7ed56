"""`runs list|show`: earlier runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from ..analysis import Results
from ..errors import EvidenceError
from ..evidence import RunDirectory, find_run, list_runs
from .analyze import Which
from .options import Json
from .output import out
from .run import Runs, relative
from .verdict import show_results

app = typer.Typer(help="Look at earlier runs.")


@app.command("list")
def list_(runs: Runs = Path("runs"), json: Json = False) -> None:
    """Every run there is, oldest first, with its verdict."""
    summaries = [_summary(run) for run in list_runs(runs)]
    if json:
        out.json({"schema": 1, "runs": summaries})
    elif summaries:
        out.table(
            ["run", "scenario", "policy", "verdict", "double bookings"],
            [
                (s["run"], s["scenario"], s["policy"], s["verdict"], str(s["double_bookings"]))
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
    if json:
        out.json(results.model_dump(mode="json", by_alias=True))
    else:
        out.text(relative(directory.path))
        show_results(results)


def _results(directory: RunDirectory) -> Results | None:
    if not directory.results.exists():
        return None
    return Results.model_validate_json(directory.results.read_bytes())


def _summary(directory: RunDirectory) -> dict[str, Any]:
    manifest, results = directory.read_manifest(), _results(directory)
    phases = results.phases if results else []
    return {
        "run": directory.run_id,
        "scenario": manifest.scenario_name,
        "policy": manifest.policy,
        "started_at": manifest.started_at,
        "verdict": results.verdict if results else "not judged",
        "double_bookings": sum(phase.bookings.double_bookings for phase in phases),
        "directory": str(directory.path),
    }
