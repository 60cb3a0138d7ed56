"""`bench`: the benchmarks, each a ratio of two things measured in turn in one run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..bench import (
    BENCHMARKS,
    SETS,
    Bench,
    Figure,
    Outcome,
    Skipped,
    describe_machine,
    document,
    measure,
    named,
    unknown,
)
from ..errors import ExitCode, UsageError
from .loading import ready_driver
from .options import Json
from .output import out

BUSY_PER_CPU = 0.5

List = Annotated[bool, typer.Option("--list", help="Name the benchmarks; run none.")]
Names = Annotated[list[str] | None, typer.Argument(metavar="NAME", help="Which; all by default.")]


def bench(names: Names = None, list_them: List = False, json: Json = False) -> None:
    """Run the benchmarks: about half an hour. A missed target is shown, and is no failure."""
    wanted = named(names or BENCHMARKS)
    if strangers := unknown(sorted(wanted)):
        known = ", ".join([*SETS, *BENCHMARKS])
        raise UsageError(f"no benchmark {', '.join(strangers)}", hint=f"there are: {known}")
    if list_them:
        show_list(json)
        return
    machine = describe_machine()
    if machine["load_1m"] > BUSY_PER_CPU * machine["cpus"]:
        out.say(f"note: this machine is busy (load {machine['load_1m']}): distrust the figures")
    outcomes: list[Outcome] = []
    try:
        for outcome in run(wanted):
            outcomes.append(outcome)
    finally:  # what was measured before an interrupt is not lost
        if json:
            out.json(document(machine, outcomes))
        elif outcomes:
            show(outcomes)
    if any(isinstance(outcome, Skipped) and outcome.failed for outcome in outcomes):
        raise typer.Exit(ExitCode.LAB_FAILED)


def show_list(json: bool) -> None:
    """Every benchmark and what it measures."""
    if json:
        out.json({"schema": 1, "benchmarks": [{"name": n, "about": a} for n, a in LISTED]})
    else:
        for name, about in LISTED:
            out.text(f"{name:36} {about}")


LISTED = (
    *BENCHMARKS.items(),
    *((name, f"these together: {', '.join(members)}") for name, members in SETS.items()),
)


def run(wanted: frozenset[str]) -> Iterator[Outcome]:
    """Measure in turn, saying how it goes."""
    with tempfile.TemporaryDirectory(prefix="ntplab-bench-") as scratch:
        yield from measure(Bench(ready_driver, Path(scratch), out.step, wanted))


def show(outcomes: Sequence[Outcome]) -> None:
    """One line each; then why some are missing."""
    columns = ["benchmark", "ours", "other", "", "unit", "ratio", "target", "", "runs"]
    figures = [outcome for outcome in outcomes if isinstance(outcome, Figure)]
    out.table(columns, [row(figure) for figure in figures])
    for outcome in outcomes:
        if isinstance(outcome, Skipped):
            out.text(f"{outcome.name}: skipped: {outcome.reason}")


def row(figure: Figure) -> tuple[str, ...]:
    """A figure as a line of the table."""
    sign = "<=" if figure.better == "lower" else ">="
    return (
        figure.name,
        f"{figure.ours:.4g}",
        f"{figure.other:.4g}",
        figure.other_name,
        figure.unit,
        f"{figure.ratio:.3g}",
        "-" if figure.target is None else f"{sign} {figure.target:g}",
        {True: "met", False: "MISSED", None: ""}[figure.met],
        str(figure.runs),
    )
