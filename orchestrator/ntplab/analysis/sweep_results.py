"""The shape of a sweep's results.json: a table with a row for each point. Sixth stage."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from .results import SCHEMA_VERSION, ExpectationResult, PhaseResult, Verdict, _Model


class FailedAttempt(_Model):
    """An attempt at a point that came to nothing. Its evidence is kept in `folder`."""

    folder: str
    reason: str


class PointResult(_Model):
    """One point. `phases` as in a run's results, without the words on each double booking: those
    are in `folder`/results.json."""

    number: int
    set: dict[str, Any]
    verdict: Verdict
    reasons: list[str] = Field(default_factory=list)
    policy: str = ""
    folder: str | None = None
    """the point's own run directory; None when no attempt came to its end"""
    failed: list[FailedAttempt] = Field(default_factory=list)
    seconds: float | None = None
    overhead_s: float | None = None
    """`seconds` without the load windows and without waiting for clocks to settle"""
    restarted: list[str] = Field(default_factory=list)
    changed: list[str] = Field(default_factory=list)
    expectations: list[ExpectationResult] = Field(default_factory=list)
    phases: list[PhaseResult] = Field(default_factory=list)


class Cost(_Model):
    """What the points took beside their own measuring, of those that needed no restart."""

    points: int = 0
    overhead_median_s: float | None = None
    overhead_max_s: float | None = None


class SweepResults(_Model):
    """One sweep, judged. `axes`: every name that points set, with its values in order."""

    schema_version: Literal[1] = Field(default=SCHEMA_VERSION, alias="schema")
    run: str
    scenario: str
    seed: int
    axes: dict[str, list[Any]]
    verdict: Verdict
    reasons: list[str] = Field(default_factory=list)
    notes: list[str] = Field(default_factory=list)
    expectations: list[ExpectationResult] = Field(default_factory=list)
    without_restart: Cost = Field(default_factory=Cost)
    points: list[PointResult] = Field(default_factory=list)

    def to_json(self) -> str:
        """The exact text of results.json: same evidence, same bytes."""
        return self.model_dump_json(by_alias=True, indent=2) + "\n"
