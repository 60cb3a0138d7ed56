"""`verify RUN`: do the checksums hold, and do the results follow from the evidence?"""

from __future__ import annotations

from pathlib import Path

import typer

from ..analysis import verify as recompute
from ..errors import ExitCode
from ..evidence import find_run
from .analyze import Which
from .options import Json
from .output import out
from .run import Runs, relative


def verify(run: Which = "latest", runs: Runs = Path("runs"), json: Json = False) -> None:
    """Check every checksum of a run and compute its results again.

    Exits with 1 if anything differs. Changes nothing, and needs no Docker.
    """
    directory = find_run(run, runs)
    differences = recompute(directory.path)
    shown = relative(directory.path)
    if json:
        out.json({"schema": 1, "run": directory.run_id, "ok": not differences,
                  "differences": [str(d) for d in differences]})  # fmt: skip
    elif differences:
        for difference in differences:
            out.text(str(difference))
    else:
        out.text(f"{shown}: checksums hold, and everything computed again agrees")
    raise typer.Exit(ExitCode.VIOLATED if differences else ExitCode.MET)
