"""What a benchmark gives: a figure, or the reason why there is none. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal

SCHEMA = 1

Better = Literal["lower", "higher"]


@dataclass(frozen=True)
class Figure:
    """Two medians over `runs` measurements each, in `unit`, and what their ratio should be.

    `other` is what we compare with, or a limit; then the target is a ratio of 1.
    """

    name: str
    ours: float
    other: float
    other_name: str
    unit: str
    better: Better
    target: float | None
    """the ratio that is wanted; None where we only show how it is"""
    runs: int
    of_pairs: float | None = None
    """the median of the ratios of each measurement and its neighbor, if that is the ratio"""

    @property
    def ratio(self) -> float:
        return self.ours / self.other if self.of_pairs is None else self.of_pairs

    @property
    def met(self) -> bool | None:
        """Whether the ratio is as wanted; None without a target."""
        if self.target is None:
            return None
        return self.ratio <= self.target if self.better == "lower" else self.ratio >= self.target


@dataclass(frozen=True)
class Skipped:
    """Not measured. `failed`: not for want of something optional, but because it broke."""

    name: str
    reason: str
    failed: bool = False


Outcome = Figure | Skipped


def compare(
    name: str,
    ours: Sequence[float],
    other: Sequence[float],
    other_name: str,
    unit: str,
    target: float | None,
    better: Better = "lower",
    *,
    paired: bool = False,
) -> Figure:
    """The figure of measurements that were taken in turn: one of the other for each of ours.

    `paired`: the ratio is the median of each pair's, not that of the medians. What makes the
    machine slow for a while makes both of a pair slow.
    """
    if len(ours) != len(other):
        raise ValueError(f"{name}: {len(ours)} and {len(other)} measurements were not in turn")
    pairs = median(a / b for a, b in zip(ours, other, strict=True)) if paired else None
    runs = len(ours)
    return Figure(name, median(ours), median(other), other_name, unit, better, target, runs, pairs)


def against_limit(name: str, ours: Sequence[float], limit: float, unit: str) -> Figure:
    """The figure of measurements that must not exceed `limit`."""
    return compare(name, ours, [limit] * len(ours), "limit", unit, target=1.0)


def document(machine: Mapping[str, Any], outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """The document of `bench --json`."""
    entries = [_entry(outcome) for outcome in outcomes]
    return {"schema": SCHEMA, "machine": dict(machine), "benchmarks": entries}


def _entry(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Skipped):
        return {"name": outcome.name, "skipped": outcome.reason}
    return {
        "name": outcome.name,
        "ours": rounded(outcome.ours),
        "other": rounded(outcome.other),
        "other_name": outcome.other_name,
        "unit": outcome.unit,
        "ratio": rounded(outcome.ratio),
        "better": outcome.better,
        "target": outcome.target,
        "runs": outcome.runs,
    }


def rounded(value: float) -> float:
    """Four significant digits: more would claim a precision that no run has."""
    return float(f"{value:.4g}")
