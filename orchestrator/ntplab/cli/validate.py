"""`validate FILE`: is this scenario right? Every problem at once; no Docker needed."""

from __future__ import annotations

from .loading import load
from .options import Json, Overrides, ScenarioFile
from .output import out


def validate(file: ScenarioFile, overrides: Overrides = None, json: Json = False) -> None:
    """Check a scenario file and show every problem in it, with its line."""
    scenario = load(file, overrides)
    if json:
        out.json({"schema": 1, "file": str(file), "scenario": scenario.name, "valid": True})
        return
    out.text(f"{file}: valid")
    out.next(f"./ntplab plan {file}")
