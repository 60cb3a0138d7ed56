"""`validate FILE`: is this scenario right? Every problem at once; no Docker needed."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ..errors import ScenarioError
from .loading import load_all
from .options import Json, Overrides, ScenarioFile
from .output import out


def validate(file: ScenarioFile, overrides: Overrides = None, json: Json = False) -> None:
    """Check a scenario: every problem at once, with its line.

    Needs no Docker. With --json the problems are in the document, and stderr stays empty.
    """
    try:
        experiment = load_all(file, overrides)
    except ScenarioError as error:
        if not json:
            raise
        problems = [asdict(problem) for problem in error.problems]
        out.json({"schema": 1, "file": str(file), "valid": False, "problems": problems})
        raise typer.Exit(error.exit_code) from None
    if json:
        name, points = experiment.scenario.name, len(experiment.points)
        sweep = {"points": points} if points else {}
        out.json({"schema": 1, "file": str(file), "scenario": name, "valid": True, **sweep})
        return
    count = len(experiment.points)
    of_points = f", a sweep of {count} point{'' if count == 1 else 's'}" if count else ""
    out.text(f"{file}: valid{of_points}")
    out.next(f"./ntplab plan {file}")
