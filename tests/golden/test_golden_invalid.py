"""Invalid scenarios, each beside the exact text that tells its author what is wrong.

`NTPLAB_GOLDEN=write pytest tests/golden` writes the texts anew.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ntplab.analysis.expectations import check_expectation
from ntplab.errors import ScenarioError
from ntplab.scenario import parse_scenario

HERE = Path(__file__).resolve().parent / "invalid"
CASES = sorted(HERE.glob("*.yaml"))


def test_there_are_cases() -> None:
    assert len(CASES) >= 10


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_exact_words(path: Path) -> None:
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(path.read_text(), path.name, (), check_expectation)
    lines: list[str] = []
    for problem in caught.value.problems:
        lines += [str(problem), *([f"  hint: {problem.hint}"] if problem.hint else [])]
    text = "\n".join(lines) + "\n"
    kept = path.with_suffix(".txt")
    if os.environ.get("NTPLAB_GOLDEN") == "write":
        kept.write_text(text)
    assert text == kept.read_text()
