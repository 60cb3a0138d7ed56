"""Expectations over the points of a sweep. Used by scenario validation and judging.

    points[skew<wait].phases.load.bookings.double_bookings == 0      at every point selected
    any(points[skew=2s].phases.load.bookings.double_bookings) > 0    at one of them at least
    sum(points.phases.load.bookings.unexplained) == 0                min, max, mean likewise

Which points: see `sweep_selecting.py`. What follows `points` is a path as in a run's expectations.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from .expectations import (
    Expectation,
    InvalidExpectation,
    compare,
    evaluate,
    parse_expectation,
)
from .results import ExpectationResult, Results, Verdict
from .sweep_selecting import Selection, Settings, belongs, select

Number = float | int

AGGREGATES: dict[str, Callable[[Sequence[Number]], Number]] = {
    "min": min,
    "max": max,
    "sum": sum,
    "mean": statistics.fmean,
}
QUANTIFIERS = ("all", "any")

_WHOLE = re.compile(
    r"^\s*(?:(?P<how>[a-z]+)\s*\(\s*)?points(?:\[(?P<which>[^\]]*)\])?\.(?P<path>[\w.\-]+)\s*"
    r"(?P<close>\))?\s*(?P<op>==|!=|<=|>=|<|>)\s*(?P<value>\S+)\s*$"
)
_HINT = "write it like `points[skew<wait].phases.load.bookings.double_bookings == 0`"


@dataclass(frozen=True)
class SweepExpectation:
    """A parsed expectation; `selected` are the points it is about."""

    text: str
    how: str
    inner: str
    """what would be expected of one run"""
    parsed: Expectation
    selected: Selection


def check_sweep_expectation(
    text: str, points: Sequence[Settings], phase_names: Sequence[str], server_names: Sequence[str]
) -> str | None:
    """What is wrong with an expectation, or None. Needs no results."""
    try:
        parse_sweep_expectation(text, points, phase_names, server_names)
    except InvalidExpectation as error:
        return str(error)
    return None


def parse_sweep_expectation(
    text: str, points: Sequence[Settings], phase_names: Sequence[str], server_names: Sequence[str]
) -> SweepExpectation:
    """Parse and check; raises `InvalidExpectation`, also when it selects no point."""
    match = _WHOLE.match(text)
    if match is None or (match["how"] is None) != (match["close"] is None):
        raise InvalidExpectation(f"cannot read expectation `{text.strip()}`: {_HINT}")
    how = match["how"] or "all"
    if how not in (*QUANTIFIERS, *AGGREGATES):
        known = ", ".join((*QUANTIFIERS, *AGGREGATES))
        raise InvalidExpectation(f"unknown function `{how}`; there is: {known}")
    inner = f"{match['path']} {match['op']} {match['value']}"
    parsed = parse_expectation(inner, phase_names, server_names)
    selected = select(match["which"] or "", points, phase_names, server_names)
    return SweepExpectation(text.strip(), how, inner, parsed, selected)


def evaluate_sweep(
    text: str,
    settings: Sequence[Settings],
    results: Sequence[Results | None],
    phase_names: Sequence[str],
    server_names: Sequence[str],
) -> ExpectationResult:
    """Hold one expectation against every point it selects; None is a point without results."""
    try:
        wanted = parse_sweep_expectation(text, settings, phase_names, server_names)
    except InvalidExpectation as error:
        return ExpectationResult(expect=text, observed=None, verdict="unknown", reason=str(error))
    held = _held(wanted, results, server_names)
    if not held:
        reason = f"no point turned out to have `{wanted.selected.words}`"
        return ExpectationResult(expect=text, observed=None, verdict="unknown", reason=reason)
    if wanted.how in QUANTIFIERS:
        return _quantified(wanted, held)
    numbers = [one.observed for one in held if one.observed is not None]
    if len(numbers) < len(held) or any(one.verdict == "unknown" for one in held):
        missing = sum(one.verdict == "unknown" or one.observed is None for one in held)
        reason = f"nothing is known at {missing} of {len(held)} points"
        return ExpectationResult(expect=text, observed=None, verdict="unknown", reason=reason)
    observed = AGGREGATES[wanted.how](numbers)
    verdict, reason = compare(wanted.parsed, observed, never=False)
    return ExpectationResult(expect=text, observed=observed, verdict=verdict, reason=reason)


def _held(
    wanted: SweepExpectation, results: Sequence[Results | None], server_names: Sequence[str]
) -> list[ExpectationResult]:
    """The expectation at every point it is about, or may be about for all that is known."""
    held = []
    for index in wanted.selected.indices:
        found = results[index]
        inside = belongs(wanted.selected, found, server_names)
        if found is None or inside is None:
            held.append(ExpectationResult(expect=wanted.inner, observed=None, verdict="unknown"))
        elif inside:
            held.append(evaluate(wanted.inner, found, server_names))
    return held


def _quantified(
    wanted: SweepExpectation, held: Sequence[ExpectationResult]
) -> ExpectationResult:  # fmt: skip
    """All must hold, or any; a point of which nothing is known leaves open what hangs on it."""
    order: tuple[Verdict, ...] = ("violated", "unknown", "met")
    if wanted.how == "any":
        order = order[::-1]
    verdict = next(v for v in order if any(one.verdict == v for one in held))
    deciding = [one for one in held if one.verdict == verdict]
    return ExpectationResult(
        expect=wanted.text,
        observed=_nearest(wanted, deciding),
        verdict=verdict,
        reason=f"at {len(deciding)} of {len(held)} points",
    )


def _nearest(wanted: SweepExpectation, deciding: Sequence[ExpectationResult]) -> Number | None:
    """Of several observed numbers the one nearest to what decides."""
    numbers = [one.observed for one in deciding if one.observed is not None]
    if not numbers:
        return None
    upward = wanted.parsed.op in ("<", "<=", "==")
    return max(numbers) if upward else min(numbers)
