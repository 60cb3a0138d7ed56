"""Invalid scenarios, each beside the exact text that tells its author what is wrong.

`NTPLAB_GOLDEN=write pytest tests/golden` writes the texts anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ntplab.analysis import check_expectation, check_sweep_expectation
from ntplab.errors import ScenarioError
from ntplab.scenario import Checks, parse_experiment

HERE = Path(__file__).resolve().parent / "invalid"
CASES = sorted(HERE.glob("*.yaml"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 10


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_exact_words(path: Path) -> None:
    checks = Checks(check_expectation, check_sweep_expectation)
    with pytest.raises(ScenarioError) as caught:
        parse_experiment(path.read_text(), path.name, (), checks)
    lines: list[str] = []
    for problem in caught.value.problems:
        lines += [str(problem), *([f"  hint: {problem.hint}"] if problem.hint else [])]
    text = "\n".join(lines) + "\n"
    kept = path.with_suffix(".txt")
    if os.environ.get("NTPLAB_GOLDEN") == "write":
        kept.write_text(text)
    assert text == kept.read_text()
