"""A sweep's points: for each the scenario that holds there. Part of the first stage.

Every point is the file with the point's values put in, as `--set` would, and checked as any
scenario. What is wrong is told at the line of the sweep where the value stands.
"""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..errors import Problem, ScenarioError
from .models import Scenario
from .source import Path, Source, put
from .sweep import POINTS_MAX, Sweep

SweepExpectationCheck = Callable[
    [str, Sequence[Mapping[str, Any]], tuple[str, ...], tuple[str, ...]], str | None
]
"""(expression, every point's settings, phase names, server names) -> None, or what is wrong"""

PROBLEMS_MAX = 20


@dataclass(frozen=True)
class SweepPoint:
    """One point. `settings` by axis name (grid) or key (list), values as they are written."""

    number: int
    """from 1"""
    settings: dict[str, Any]
    scenario: Scenario


@dataclass(frozen=True)
class _Draft:
    settings: dict[str, Any]
    puts: tuple[tuple[str, Any, Path], ...]
    """key, value, and where in the file the value stands"""


def value_words(value: Any) -> str:
    """A value as it would be written on one line; a policy with parameters as `lease(2s)`."""
    if isinstance(value, Mapping) and isinstance(value.get("name"), str):
        parameters = ", ".join(value_words(v) for key, v in value.items() if key != "name")
        return str(value["name"]) + (f"({parameters})" if parameters else "")
    return value if isinstance(value, str) else json.dumps(value)


def point_words(settings: Mapping[str, Any]) -> str:
    """`skew=500ms wait=250ms`."""
    return " ".join(f"{name}={value_words(value)}" for name, value in settings.items())


def axes_of(settings: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Every name that points set, with its different values, both in the order first met."""
    axes: dict[str, list[Any]] = {}
    for point in settings:
        for name, value in point.items():
            values = axes.setdefault(name, [])
            if value not in values:
                values.append(value)
    return axes


def check_sweep(
    sweep: Sweep, source: Source, names: tuple[tuple[str, ...], tuple[str, ...]],
    check_expectation: SweepExpectationCheck | None,
) -> Iterator[Problem]:  # fmt: skip
    """What is wrong with the block itself; `names` are those of phases and servers."""
    if bool(sweep.grid) == bool(sweep.points):
        what = "either grid or points, not both" if sweep.grid else "an empty sweep has no points"
        yield source.problem(("sweep",), what, "a grid needs at least one axis with one value")
        return
    yield from _axes(sweep, source)
    drafts = _drafts(sweep)
    count = _count(sweep)
    if count > POINTS_MAX:
        yield source.problem(("sweep",), f"{count} points; at most {POINTS_MAX} are allowed")
        return
    settings = [draft.settings for draft in drafts]
    for index, text in enumerate(sweep.expect):
        wrong = check_expectation(text, settings, *names) if check_expectation else None
        if wrong:
            origin = source.origin(("sweep", "expect", index))
            yield Problem(origin.file, origin.line, f"sweep.expect: {text}", wrong)


def expand(sweep: Sweep, source: Source, parse: Callable[[Source], Scenario]) -> list[SweepPoint]:
    """Every point, in order. Raises ScenarioError with what is wrong at any of them, each once."""
    points: list[SweepPoint] = []
    problems: dict[tuple[str, int, str, str], Problem] = {}
    for number, draft in enumerate(_drafts(sweep), 1):
        try:
            points.append(SweepPoint(number, draft.settings, parse(_at(draft, source))))
        except ScenarioError as error:
            for problem in error.problems:
                told = (problem.file, problem.line, problem.where, problem.what)
                where = f"at {point_words(draft.settings)}"
                hint = f"{problem.hint}; {where}" if problem.hint else where
                problems.setdefault(told, replace(problem, hint=hint))
        if len(problems) >= PROBLEMS_MAX:
            break
    if problems:
        raise ScenarioError(sorted(problems.values(), key=lambda p: p.line))
    return points


def _at(draft: _Draft, source: Source) -> Source:
    """The file with the point's values put in."""
    data = copy.deepcopy(source.data)
    del data["sweep"]
    here = Source(source.file, data, dict(source.origins))
    for key, value, stands in draft.puts:
        origin = source.origin(stands)
        what = put(here, key, copy.deepcopy(value), origin)
        if what:
            here.problems.append(Problem(origin.file, origin.line, key, what))
    return here


def _drafts(sweep: Sweep) -> Iterator[_Draft]:
    if sweep.grid:
        yield from _grid(sweep)
    for number, settings in enumerate(sweep.points):
        path: Path = ("sweep", "points", number)
        puts = tuple((key, value, (*path, key)) for key, value in settings.items())
        yield _Draft(dict(settings), puts)


def _grid(sweep: Sweep) -> Iterator[_Draft]:
    numbered = [list(enumerate(axis.values)) for axis in sweep.grid]
    for combination in itertools.product(*numbered):
        chosen = list(zip(enumerate(sweep.grid), combination, strict=True))
        yield _Draft(
            {axis.name: value for (_, axis), (_, value) in chosen},
            tuple(
                (key, value, ("sweep", "grid", at, "values", index))
                for (at, axis), (index, value) in chosen
                for key in axis.key
            ),
        )


def _count(sweep: Sweep) -> int:
    count = 1
    for axis in sweep.grid:
        count *= len(axis.values)
    return count if sweep.grid else len(sweep.points)


def _axes(sweep: Sweep, source: Source) -> Iterator[Problem]:
    names: set[str] = set()
    keys: dict[str, str] = {}
    for index, axis in enumerate(sweep.grid):
        path: Path = ("sweep", "grid", index)
        if axis.name in names:
            yield source.problem((*path, "name"), f"'{axis.name}' is already the name of an axis")
        names.add(axis.name)
        for key in axis.key:
            if key in keys:
                what = f"'{key}' is already set by axis '{keys[key]}'"
                yield source.problem((*path, "key"), what)
            keys.setdefault(key, axis.name)
        for number, value in enumerate(axis.values):
            if value in axis.values[:number]:
                what = f"'{value_words(value)}' is given twice"
                yield source.problem((*path, "values", number), what)
