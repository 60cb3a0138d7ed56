"""`run FILE`: a whole experiment, from nothing to a verdict."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from ..analysis import Results, SweepResults
from ..errors import ExitCode, UsageError
from ..evidence import RunDirectory, find_run
from ..run import RunRequest
from ..run import run as run_experiment
from ..sweep import SweepRequest, resume_sweep, run_sweep
from .loading import all_overrides, load_all, ready_driver, run_request, sweep_request
from .options import Json, MaybeScenarioFile, Overrides
from .output import out
from .progress import Narrator
from .verdict import show

Seed = Annotated[
    int | None, typer.Option(metavar="N", help="Another seed: other arrivals, other uptimes.")
]
Keep = Annotated[bool, typer.Option("--keep", help="Leave the lab up afterwards.")]
Out = Annotated[
    Path | None, typer.Option("--out", metavar="DIR", help="Run directory, instead of runs/...")
]
Runs = Annotated[Path, typer.Option("--runs", metavar="DIR", help="Where run directories are.")]

Resume = Annotated[
    str | None,
    typer.Option("--resume", metavar="RUN", help="Go on with a sweep: a run directory or id."),
]

VERDICT_CODES = {
    "met": ExitCode.MET,
    "violated": ExitCode.VIOLATED,
    "unknown": ExitCode.UNKNOWN,
}


def run(
    file: MaybeScenarioFile = None,
    seed: Seed = None,
    keep: Keep = False,
    out_directory: Out = None,
    overrides: Overrides = None,
    resume: Resume = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Run an experiment: lab up, phases, verdict, lab down.

    Exits with 0 when every expectation is met, 1 when one is violated, 4 when evidence is missing.
    Ctrl-C removes the lab and keeps what was collected. A scenario with a sweep is run at each of
    its points; --resume goes on with a sweep that was stopped, and repeats no finished point.
    """
    results: Results | SweepResults
    if resume is not None:
        if file or overrides or out_directory or seed is not None or keep:
            raise UsageError(
                "--resume goes on with a sweep as it was started",
                hint="leave out FILE, --set, --seed, --out and --keep",
            )
        directory, results = perform_resume(find_run(resume, runs), runs)
    elif file is None:
        raise UsageError("missing argument FILE", hint="./ntplab run -h shows how to use it")
    else:
        experiment = load_all(file, overrides, seed)
        sets = all_overrides(overrides, seed)
        if experiment.points:
            if keep:
                raise UsageError("a sweep leaves no lab: --keep does not go with it")
            wanted = sweep_request(experiment, sets, runs, out_directory)
            directory, results = perform_sweep(wanted)
        else:
            request = run_request(experiment, sets, runs, out_directory, keep=keep)
            directory, results = perform(request)
    show(results, json=json)
    conclude(directory, keep=keep)
    raise typer.Exit(VERDICT_CODES[results.verdict])


def perform(wanted: RunRequest) -> tuple[RunDirectory, Results]:
    """Run it with progress; whatever happens, say where the evidence is."""
    driver = ready_driver(wanted.plan)
    with Narrator(out, wanted.plan) as narrator, told_where(narrator):
        return run_experiment(wanted, driver, narrator)


def perform_sweep(wanted: SweepRequest) -> tuple[RunDirectory, SweepResults]:
    """Run every point with progress; whatever happens, say how to go on."""
    driver = ready_driver(wanted.plan, *(point.plan for point in wanted.points))
    with Narrator(out, wanted.plan) as narrator, told_where(narrator, resumable=True):
        return run_sweep(wanted, driver, narrator)


def perform_resume(directory: RunDirectory, runs: Path) -> tuple[RunDirectory, SweepResults]:
    """Run what is left of a sweep."""
    manifest = directory.read_manifest()
    if manifest.sweep is None:
        raise UsageError(
            f"{relative(directory.path)} is no sweep, it cannot be resumed",
            hint="./ntplab run FILE runs its scenario again",
        )
    overrides = manifest.sweep.overrides
    experiment = load_all(directory.path / "scenario.yaml", overrides)
    wanted = sweep_request(experiment, overrides, runs, None)
    driver = ready_driver(wanted.plan, *(point.plan for point in wanted.points))
    with Narrator(out, wanted.plan) as narrator, told_where(narrator, resumable=True):
        return resume_sweep(directory, wanted, driver, narrator)


@contextmanager
def told_where(narrator: Narrator, *, resumable: bool = False) -> Iterator[None]:
    """Whatever goes wrong, say where what was collected is."""
    try:
        yield
    except BaseException:
        if narrator.directory:
            out.say(f"what was collected is in {narrator.directory}")
            if resumable:
                out.say(f"next: ./ntplab run --resume {relative(Path(narrator.directory))}")
        raise


def conclude(directory: RunDirectory, *, keep: bool) -> None:
    """Say where things are and what to do next."""
    shown = relative(directory.path)
    out.step(f"run directory: {shown}")
    if (directory.path / "report.html").exists():
        out.step(f"report: {shown}/report.html")
    if keep:
        out.next("./ntplab status, and ./ntplab down when done")
    else:
        out.next(f"./ntplab verify {shown}")


def relative(path: Path) -> str:
    """`path` as short as it can be written from here."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
