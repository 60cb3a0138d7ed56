"""journal.json: which points of a sweep are done, and what became of every attempt at one.

Replaced whole, atomically, after each attempt: a kill leaves the journal before or after it,
never half of one. A point is finished when an attempt is `finished` and its evidence still has
the digest that was noted then.
"""

from __future__ import annotations

import hashlib
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import EvidenceError
from .checksums import SUMS, check_checksums
from .rundir import RESULTS, RunDirectory

JOURNAL = "journal.json"
POINTS = "points"
DERIVED = (
    RESULTS,
    *(f"{name}{lang}.{kind}" for name in ("report", "slides") for lang in ("", ".fr")
      for kind in ("html", "pdf")),
)  # fmt: skip
"""What can be made again from the rest, by a newer ntplab perhaps otherwise."""


class Attempt(BaseModel):
    """One attempt at one point. `folder` is relative to the sweep's run directory."""

    model_config = ConfigDict(extra="forbid")

    point: int
    folder: str
    state: Literal["finished", "failed"]
    reason: str = ""
    digest: str = ""
    """SHA-256 over the checksums of its evidence"""
    seconds: float = 0.0
    """the whole of it, from the last point's end"""
    overhead_s: float = 0.0
    """`seconds` without the load windows and without waiting for clocks to settle"""
    restarted: list[str] = Field(default_factory=list)
    """what had to be started again for it: `lab`, or nodes"""
    changed: list[str] = Field(default_factory=list)
    """what was changed in the running lab for it, in words"""


class Journal(BaseModel):
    """Every attempt, in the order of their ends."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    schema_version: Literal[1] = Field(default=1, alias="schema")
    attempts: list[Attempt] = Field(default_factory=list)

    def finished(self) -> dict[int, Attempt]:
        """The attempt that counts of every finished point."""
        return {a.point: a for a in self.attempts if a.state == "finished"}

    def of(self, point: int) -> list[Attempt]:
        return [attempt for attempt in self.attempts if attempt.point == point]


def read_journal(run: RunDirectory) -> Journal:
    """The journal of a sweep, empty where none was written yet. Raises EvidenceError if damaged."""
    path = run.path / JOURNAL
    if not path.exists():
        return Journal()
    try:
        return Journal.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise EvidenceError(f"{path}: damaged: {error.errors()[0]['msg']}") from error


def note(run: RunDirectory, attempt: Attempt) -> Journal:
    """The journal with one more attempt, written. Raises OSError when the disk is full."""
    before = read_journal(run)
    journal = Journal(attempts=[*before.attempts, attempt])
    run.write_text(JOURNAL, journal.model_dump_json(by_alias=True, indent=1) + "\n")
    return journal


def digest_of(point: RunDirectory) -> str:
    """One number for all evidence of a finished point: what can be derived is left out."""
    lines = (point.path / SUMS).read_text().splitlines()
    kept = [line for line in lines if line.partition("  ")[2] not in DERIVED]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()


def damage(run: RunDirectory, attempt: Attempt) -> str:
    """Why a finished attempt cannot be relied upon any more; empty when it can."""
    folder = run.path / attempt.folder
    if not folder.is_dir():
        return f"{attempt.folder}: missing"
    point = RunDirectory(folder)
    if problems := check_checksums(point):
        return f"{attempt.folder}/{problems[0]}"
    return "" if digest_of(point) == attempt.digest else f"{attempt.folder}: other evidence"


def new_folder(run: RunDirectory, point: int) -> str:
    """A folder that no attempt at this point has had, also none that was killed."""
    number = 1
    while (run.path / (name := f"{POINTS}/{point:04d}-{number}")).exists():
        number += 1
    return name
