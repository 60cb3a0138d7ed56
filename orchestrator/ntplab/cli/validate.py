"""`validate FILE`: is this scenario right? Every problem at once; no Docker needed."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ..errors import ScenarioError
from .loading import load
from .options import Json, Overrides, ScenarioFile
from .output import out


def validate(file: ScenarioFile, overrides: Overrides = None, json: Json = False) -> None:
    """Check a scenario: every problem at once, with its line.

    Needs no Docker. With --json the problems are in the document, and stderr stays empty.
    """
    try:
        scenario = load(file, overrides)
    except ScenarioError as error:
        if not json:
            raise
        problems = [asdict(problem) for problem in error.problems]
        out.json({"schema": 1, "file": str(file), "valid": False, "problems": problems})
        raise typer.Exit(error.exit_code) from None
    if json:
        out.json({"schema": 1, "file": str(file), "scenario": scenario.name, "valid": True})
        return
    out.text(f"{file}: valid")
    out.next(f"./ntplab plan {file}")
