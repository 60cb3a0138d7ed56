"""The table of the founding document's lines names code and tests that exist."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

REPO = Path(__file__).resolve().parents[2]
TABLE = REPO / "docs" / "reference" / "train-founding.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in TABLE.read_text().splitlines()
    if line.startswith("| ") and not line.startswith(("| line |", "| --- |"))
]
LINES = 56
"""Of the document, without empty ones, its last title and what is no code."""


def quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def exists(name: str) -> bool:
    """`module.Name` or `module.Class.field` of the package `train`."""
    module, *path = name.split(".")
    found: object = importlib.import_module(f"train.{module}")
    for part in path:
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def test_the_table_has_every_line() -> None:
    assert len(ROWS) == LINES
    assert all(len(row) == 3 and all(row) for row in ROWS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_line_has_its_code_and_its_test(row: list[str]) -> None:
    code, tests = quoted(row[1]), quoted(row[2])
    assert code
    assert tests
    assert [name for name in code if not exists(name)] == []
    for test in tests:
        file, name = test.split("::")
        tree = ast.parse((Path(__file__).parent / file).read_text())
        assert name in {getattr(node, "name", None) for node in tree.body}, test


def test_the_check_sees_what_is_not_there() -> None:
    assert exists("ticket.Ticket.holder")
    assert not exists("ticket.Ticket.color")
