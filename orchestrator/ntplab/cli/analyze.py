"""`analyze RUN`: judge a run again, offline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..analysis import Results, SweepResults, analyze_sweep
from ..analysis import analyze as judge
from ..evidence import find_run
from .options import Json
from .run import VERDICT_CODES, Runs
from .verdict import show

Which = Annotated[str, typer.Argument(metavar="RUN", help="A run directory, its id, or `latest`.")]


def analyze(run: Which = "latest", runs: Runs = Path("runs"), json: Json = False) -> None:
    """Judge a run again from its evidence.

    Works on runs that were killed half-way, and needs no Docker. Writes results.json anew; exits
    as `run` does.
    """
    directory = find_run(run, runs)
    if directory.read_manifest().sweep is None:
        results: Results | SweepResults = judge(directory.path)
    else:
        results = analyze_sweep(directory)
    show(results, json=json)
    raise typer.Exit(VERDICT_CODES[results.verdict])
