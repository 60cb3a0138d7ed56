"""`python -m train.checking [--depth=N] [--only=NAME] [--json]`: check all, print a line each.

`--depth=10` looks at ten times as many states where the usual bound ends a search. Exit code 1:
something was found that should not be there, or a known flaw was not found.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import sys

from .runs import RUNS, Run, check
from .search import Report


def main(arguments: list[str] | None = None) -> int:
    """The exit code."""
    options = argparse.ArgumentParser(prog="train.checking", description="check every order")
    options.add_argument("--depth", type=int, default=1, help="times as many states (default 1)")
    names = [run.name for run in RUNS]
    options.add_argument("--only", choices=names, help="this one alone")
    options.add_argument("--json", action="store_true", help="a JSON object a line")
    chosen = options.parse_args(arguments)
    failed = False
    for run in (run for run in RUNS if chosen.only in (None, run.name)):
        report = check(run, chosen.depth)
        failed |= not run.as_expected(report)
        print(as_json(run, report) if chosen.json else as_text(run, report), flush=True)
    return int(failed)


def as_json(run: Run, report: Report) -> str:
    """One object with the report's figures."""
    figures = {
        "states_per_second": report.states_per_second,
        "as_expected": run.as_expected(report),
    }
    return json.dumps({"name": run.name, **dataclasses.asdict(report), **figures})


def as_text(run: Run, report: Report) -> str:
    """A line of figures, and the way to what was found."""
    head = (
        f"{run.name}: {report.states} states, {report.transitions} transitions, "
        f"{report.states_per_second:.0f} states/s, "
        f"{'all there are' if report.exhausted else 'not all'}: {report.wrong or 'nothing wrong'}"
    )
    return "\n".join([head, *(f"  {n}. {label}" for n, label in enumerate(report.path, 1))])


if __name__ == "__main__":
    sys.exit(main())
