"""`run FILE`: a whole experiment, from nothing to a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..analysis import Results
from ..errors import ExitCode
from ..evidence import RunDirectory
from ..run import RunRequest
from ..run import run as run_experiment
from .loading import ready_driver, request
from .options import Json, Overrides, ScenarioFile
from .output import out
from .progress import Narrator
from .verdict import show_results

Seed = Annotated[
    int | None, typer.Option(metavar="N", help="Another seed: other arrivals, other uptimes.")
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the lab up afterwards.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run directory, instead of runs/...")
]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where run directories are.")]

VERDICT_CODES = {
    "met": ExitCode.MET,
    "violated": ExitCode.VIOLATED,
    "unknown": ExitCode.UNKNOWN,
}


def run(
    file: ScenarioFile,
    seed: Seed = None,
    keep: Keep = False,
    out_directory: Out = None,
    overrides: Overrides = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Run an experiment: lab up, phases, verdict, lab down.

    Exits with 0 when every expectation is met, 1 when one is violated, 4 when evidence is missing.
    Ctrl-C removes the lab and keeps what was collected.
    """
    wanted = request(file, overrides, seed, runs, out_directory, keep=keep)
    directory, results = perform(wanted)
    if json:
        out.json(results.model_dump(mode="json", by_alias=True))
    else:
        show_results(results)
    conclude(wanted, directory)
    raise typer.Exit(VERDICT_CODES[results.verdict])


def perform(wanted: RunRequest) -> tuple[RunDirectory, Results]:
    """Run it with progress; whatever happens, say where the evidence is."""
    driver = ready_driver(wanted.plan)
    with Narrator(out, wanted.plan) as narrator:
        try:
            return run_experiment(wanted, driver, narrator)
        except BaseException:
            if narrator.directory:
                out.say(f"what was collected is in {narrator.directory}")
            raise


def conclude(wanted: RunRequest, directory: RunDirectory) -> None:
    """Say where things are and what to do next."""
    shown = relative(directory.path)
    out.step(f"run directory: {shown}")
    if wanted.keep:
        out.next("./ntplab status, and ./ntplab down when done")
    else:
        out.next(f"./ntplab verify {shown}")


def relative(path: Path) -> str:
    """`path` as short as it can be written from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
