"""Every error a user can meet, as one tree. Imported by all stages, imports none.

NtplabError
├── UsageError          2   the command line makes no sense
├── ScenarioError       3   the scenario file is invalid (carries every problem at once)
├── EvidenceError       4   evidence is missing or damaged, no verdict is possible
├── PdfError            5   a page could not be put on paper: Chromium is missing, or failed
├── DocsError           1   a page of the documentation is wrong
└── LabError            5   the lab could not be run
    ├── EngineError         Docker Engine is missing, stopped or refused
    │   └── EngineDenied        it runs, but this user may not use its socket
    ├── ImageError          an image could not be built
    ├── DiskError           evidence could not be written
    ├── NodeError           a container died or never became ready
    └── FaultError          a fault was asked for and could not be seen in force
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum


class ExitCode(IntEnum):
    """Exit codes of the command line (docs/reference/cli.md)."""

    MET = 0
    VIOLATED = 1
    USAGE = 2
    INVALID_SCENARIO = 3
    UNKNOWN = 4
    LAB_FAILED = 5
    OUR_BUG = 70
    INTERRUPTED = 130


class NtplabError(Exception):
    """An error with a cause the user can act on.

    `message` says what and where in one line, `log_tail` holds the last words of the
    log that explain it, `hint` what to do next.
    """

    exit_code = ExitCode.OUR_BUG

    def __init__(self, message: str, *, hint: str = "", log_tail: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.log_tail = tuple(log_tail)


class UsageError(NtplabError):
    exit_code = ExitCode.USAGE


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a scenario: `file:line: where: what`; line 0 is no line at all."""

    file: str
    line: int
    where: str
    what: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.where}: " if self.where else ""
        line = f":{self.line}" if self.line else ""
        return f"{self.file}{line}: {where}{self.what}"


class ScenarioError(NtplabError):
    exit_code = ExitCode.INVALID_SCENARIO

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(p) for p in problems))
        self.problems = tuple(problems)


class EvidenceError(NtplabError):
    exit_code = ExitCode.UNKNOWN


class PdfError(NtplabError):
    exit_code = ExitCode.LAB_FAILED


class DocsError(NtplabError):
    exit_code = ExitCode.VIOLATED


class LabError(NtplabError):
    exit_code = ExitCode.LAB_FAILED


class EngineError(LabError):
    pass


class EngineDenied(EngineError):
    pass


class ImageError(LabError):
    pass


class DiskError(LabError):
    pass


class NodeError(LabError):
    pass


class FaultError(LabError):
    pass
