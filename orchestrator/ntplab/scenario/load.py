"""The steps from a scenario file to a `Scenario`, in order. Part of the first stage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from ..errors import Problem, ScenarioError
from .checks import ExpectationCheck, check, check_sound, names_of
from .models import Scenario
from .ntp_checks import check_switching
from .points import SweepExpectationCheck, SweepPoint, check_sweep, expand
from .problems import to_problems
from .salvage import Salvaged
from .source import Source, override, read


@dataclass(frozen=True)
class Checks:
    """Checks of expressions; they come from a later stage, so the caller hands them in."""

    expectation: ExpectationCheck | None = None
    sweep_expectation: SweepExpectationCheck | None = None


@dataclass(frozen=True)
class Experiment:
    """A whole file: the scenario, and where it has a sweep the scenario of every point."""

    scenario: Scenario
    points: tuple[SweepPoint, ...]
    text: str


def load_scenario(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    check_expectation: ExpectationCheck | None = None,
) -> Scenario:
    """Read, override and check the scenario at `path`.

    `overrides` are `key.path=value` texts, as given to `--set`. `check_expectation` says what
    is wrong with an expression of `expect`. Raises ScenarioError with every problem found.
    """
    return load_experiment(path, overrides, Checks(check_expectation)).scenario


def load_experiment(
    path: str | os.PathLike[str], overrides: Sequence[str], checks: Checks
) -> Experiment:
    """As `load_scenario`, with the points of its sweep if it has one."""
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise ScenarioError([Problem(name, 0, "", what)]) from error
    except UnicodeDecodeError as error:
        raise ScenarioError([Problem(name, 0, "", "is not UTF-8 text")]) from error
    return parse_experiment(text, name, overrides, checks)


def parse_scenario(
    text: str,
    file: str = "scenario",
    overrides: Sequence[str] = (),
    check_expectation: ExpectationCheck | None = None,
) -> Scenario:
    """As `load_scenario`, for text that is already here; `file` is used in messages."""
    return parse_experiment(text, file, overrides, Checks(check_expectation)).scenario


def parse_experiment(text: str, file: str, overrides: Sequence[str], checks: Checks) -> Experiment:
    """The scenario as it stands is checked first; only a sound one is taken to its points."""
    source = read(text, file)
    if source.data is None and source.problems:
        raise ScenarioError(source.problems)
    if not isinstance(source.data, dict):
        raise ScenarioError([Problem(file, 1, "", "a scenario is a file of keys and values")])
    override(source, overrides)
    scenario = _checked(source, checks)
    if scenario.sweep is None:
        return Experiment(scenario, (), text)
    points = expand(scenario.sweep, source, lambda at: _checked(at, checks))
    return Experiment(scenario, tuple(points), text)


def _checked(source: Source, checks: Checks) -> Scenario:
    problems = [*source.problems, *check(source, checks.expectation)]
    try:
        scenario = Scenario.model_validate(source.data)
    except ValidationError as error:
        problems += to_problems(error, source)
    sound = Salvaged(source)
    problems += check_sound(sound)
    if sound.scenario is not None and sound.scenario.sweep is not None:
        names = names_of(source.data)
        problems += check_sweep(sound.scenario.sweep, source, names, checks.sweep_expectation)
    if not problems:
        # Follows the phases through, which only a sound scenario allows.
        problems += check_switching(scenario, source)
    if problems:
        raise ScenarioError(sorted(problems, key=lambda p: p.line))
    return scenario
