"""docs/reference/train.md's command line, made from the program itself.

`python images/train/reference.py` writes it; a test fails when it is not what it would write.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from train.main import parser

PATH = Path(__file__).resolve().parents[2] / "docs" / "reference" / "train.md"
BEGIN, END = "<!-- generated: begin -->\n", "<!-- generated: end -->\n"


class HelpOf100Columns(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=98)


def text() -> str:
    """Every program and request with its help, as Markdown."""
    parts = [f"### `{p.prog}`\n```\n{help_of(p)}\n```\n" for p in walk(parser())]
    return "\n".join(re.sub(r"[ \t]+\n", "\n", part) for part in parts)


def help_of(program: argparse.ArgumentParser) -> str:
    """As on a terminal of 100 columns, whatever the one it is asked on."""
    program.formatter_class = HelpOf100Columns
    return program.format_help().rstrip()


def walk(top: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """`top` and all that stand below it."""
    yield top
    for action in top._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from walk(below)


def page(current: str) -> str:
    """`current` with the generated part made anew."""
    before, _, rest = current.partition(BEGIN)
    return f"{before}{BEGIN}{text()}{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    PATH.write_text(page(PATH.read_text()))
