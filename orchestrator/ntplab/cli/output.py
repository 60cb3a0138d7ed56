"""How the command line speaks: data on stdout, words on stderr, color only where wanted."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from rich.console import Console
from rich.table import Table
from typer.exceptions import TyperException

from ..errors import EvidenceError, NtplabError, ScenarioError, UsageError

WIDTH_WITHOUT_TERMINAL = 200


class Output:
    """One for the process. rich drops styles where there is no terminal."""

    def __init__(self) -> None:
        self.verbose = False
        self.quiet = False
        # Into a file or a pipe nothing is cut to the width of a terminal that is not there.
        width = None if sys.stdout.isatty() else WIDTH_WITHOUT_TERMINAL
        # rich by itself would take NO_COLOR for "bold, but no color".
        colors: Literal["auto"] | None = None if os.environ.get("NO_COLOR") else "auto"
        self.data = Console(
            file=sys.stdout, highlight=False, soft_wrap=True, width=width, color_system=colors
        )
        self.words = Console(file=sys.stderr, highlight=False, soft_wrap=True, color_system=colors)

    def configure(self, *, verbose: bool, quiet: bool) -> None:
        self.verbose, self.quiet = verbose, quiet

    def say(self, text: str) -> None:
        """A message to the user, on stderr."""
        self.words.print(text, markup=False)

    def step(self, text: str) -> None:
        """Progress: left out with -q."""
        if not self.quiet:
            self.say(text)

    def next(self, command: str) -> None:
        """The next useful command, named at the end of a verb that changed something."""
        self.step(f"next: {command}")

    def json(self, document: Any) -> None:
        """One JSON document on stdout, nothing else."""
        sys.stdout.write(json.dumps(document, indent=2, default=str) + "\n")

    def text(self, text: str) -> None:
        """A result in words, on stdout."""
        self.data.print(text, markup=False)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """A plain table on stdout; numbers to the right, headers may wrap."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        filled = list(rows)
        for index, column in enumerate(columns):
            cells = [row[index] for row in filled if row[index]]
            numeric = all(cell[0] in "+-?0123456789" for cell in cells)
            table.add_column(column, justify="right" if numeric else "left", overflow="fold")
        for row in filled:
            table.add_row(*row)
        self.data.print(table)

    def error(self, error: NtplabError) -> None:
        self._error(error.message, error.hint or usual_hint(error), error.log_tail)

    def usage(self, error: TyperException) -> None:
        """A command line that typer does not understand; without any verb, the help."""
        message = error.format_message()
        if message.startswith("Usage: "):
            self.say(message)
            return
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "ntplab"
        hint = f"./{command} -h shows how to use it"
        if message.split()[-1] in ("-v", "-q", "--verbose", "--quiet"):
            hint = "-v and -q come before the verb: ./ntplab -v run FILE"
        self._error(message[:1].lower() + message[1:].rstrip("."), hint)

    def _error(self, message: str, hint: str, log_tail: Sequence[str] = ()) -> None:
        self.words.print("[bold red]error:[/] ", end="")
        self.say(message)
        for line in log_tail:
            self.say(f"  | {line}")
        self.say(f"hint: {hint}")

    def problems(self, error: ScenarioError) -> None:
        for problem in error.problems:
            self.say(str(problem))
            if problem.hint:
                self.say(f"  hint: {problem.hint}")
        count = len(error.problems)
        self.say(f"{count} problem{'' if count == 1 else 's'} found; nothing was started")


def usual_hint(error: NtplabError) -> str:
    """What to do about an error that came without a hint of its own."""
    if isinstance(error, UsageError):
        return "./ntplab -h shows what there is"
    if isinstance(error, EvidenceError):
        return "./ntplab runs list shows the runs there are"
    return "./ntplab doctor examines this machine; ./ntplab -v ... says more"


out = Output()
