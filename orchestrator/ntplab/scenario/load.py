"""The steps from a scenario file to a `Scenario`, in order. Part of the first stage."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from ..errors import Problem, ScenarioError
from .checks import ExpectationCheck, check, check_sound
from .models import Scenario
from .ntp_checks import check_switching
from .problems import to_problems
from .salvage import Salvaged
from .source import override, read


def load_scenario(
    path: str | os.PathLike[str],
    overrides: Sequence[str] = (),
    check_expectation: ExpectationCheck | None = None,
) -> Scenario:
    """Read, override and check the scenario at `path`.

    `overrides` are `key.path=value` texts, as given to `--set`. `check_expectation` says what
    is wrong with an expression of `expect`; it comes from a later stage, so the caller hands
    it in. Raises ScenarioError with every problem found.
    """
    name = str(path)
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        what = f"cannot be read: {error.strerror}"
        raise ScenarioError([Problem(name, 0, "", what)]) from error
    except UnicodeDecodeError as error:
        raise ScenarioError([Problem(name, 0, "", "is not UTF-8 text")]) from error
    return parse_scenario(text, name, overrides, check_expectation)


def parse_scenario(
    text: str,
    file: str = "scenario",
    overrides: Sequence[str] = (),
    check_expectation: ExpectationCheck | None = None,
) -> Scenario:
    """As `load_scenario`, for text that is already here; `file` is used in messages."""
    source = read(text, file)
    if source.data is None and source.problems:
        raise ScenarioError(source.problems)
    if not isinstance(source.data, dict):
        raise ScenarioError([Problem(file, 1, "", "a scenario is a file of keys and values")])
    override(source, overrides)
    problems = [*source.problems, *check(source, check_expectation)]
    try:
        scenario = Scenario.model_validate(source.data)
    except ValidationError as error:
        problems += to_problems(error, source)
    sound = Salvaged(source)
    problems += check_sound(sound)
    if not problems:
        # Follows the phases through, which only a sound scenario allows.
        problems += check_switching(scenario, source)
    if problems:
        raise ScenarioError(sorted(problems, key=lambda p: p.line))
    return scenario
