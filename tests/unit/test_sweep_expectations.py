"""Expectations over the points of a sweep: which points, and what holds there."""

from __future__ import annotations

from typing import Any

import pytest

from ntplab.analysis.predicting import held_against
from ntplab.analysis.results import Bookings, PhaseEvidence, PhaseResult, Results
from ntplab.analysis.sweep_expectations import check_sweep_expectation, evaluate_sweep

SETTINGS: list[dict[str, Any]] = [
    {"skew": skew, "wait": wait, "policy": policy}
    for skew in ("0s", "500ms", "2s")
    for wait, policy in (("0.25s", "lease"), ("1s", {"name": "unique"}))
]
DOUBLES = [0, 0, 3, 0, 9, 5]


def results(doubles: int | None, *, complete: bool = True) -> Results | None:
    if doubles is None:
        return None
    phase = PhaseResult(
        name="load",
        ntp="off",
        bookings=Bookings(double_bookings=doubles),
        evidence=PhaseEvidence(complete=complete),
    )
    return Results(
        run="r", scenario="s", policy="p", seed=1, verdict="met", phases=[phase]
    )  # fmt: skip


def held(text: str, doubles: list[int | None] | None = None) -> tuple[str, Any]:
    found = [results(d) for d in (DOUBLES if doubles is None else doubles)]
    told = evaluate_sweep(text, SETTINGS, found, ["load"], ["paris"])
    return told.verdict, told.observed


PATH = "phases.load.bookings.double_bookings"


@pytest.mark.parametrize(
    ("text", "verdict", "observed"),
    [
        (f"points[skew<wait].{PATH} == 0", "met", 0),
        (f"points[skew>wait].{PATH} > 0", "met", 3),
        (f"points[skew>=500ms].{PATH} > 0", "violated", 0),
        (f"points[skew>=0.5s, policy=lease].{PATH} > 2", "met", 3),
        (f"points[policy=unique,skew=2s].{PATH} == 5", "met", 5),
        (f"any(points.{PATH}) > 8", "met", 9),
        (f"any(points.{PATH}) > 9", "violated", 0),
        (f"sum(points[*].{PATH}) == 17", "met", 17),
        (f"max(points[policy!=lease].{PATH}) < 5", "violated", 5),
        (f"min(points[skew=2s].{PATH}) >= 5", "met", 5),
        (f"mean( points[skew=2s].{PATH} ) == 7", "met", 7.0),
    ],
)
def test_points_are_chosen_and_counted(text: str, verdict: str, observed: float) -> None:
    assert held(text) == (verdict, observed)


PREDICTED = "phases.load.bookings.prediction.expected"


def predicted(expected: float | None, observed: int, *, complete: bool = True) -> Results:
    """A point of which theory said something, or not."""
    found = results(observed, complete=complete)
    assert found is not None
    if expected is not None:
        found.phases[0].bookings.prediction = held_against(
            condition="", numbers_ns={}, seats=100, left_out=0, expected=expected,
            observed=observed, surprises=0,
        )  # fmt: skip
    return found


def judged(text: str, *points: Results | None) -> tuple[str, Any, str]:
    settings = [{"skew": f"{number}s"} for number in range(len(points))]
    told = evaluate_sweep(text, settings, points, ["load"], ["paris"])
    return told.verdict, told.observed, told.reason


def test_points_are_chosen_by_what_came_of_them() -> None:
    none = f"points[{PREDICTED}==0].{PATH} == 0"
    some = f"points[skew>=1s, {PREDICTED} >= 5].{PATH} > 0"
    right = [predicted(0, 0), predicted(0.3, 1), predicted(9, 8), predicted(6.5, 5)]
    assert judged(none, *right) == ("met", 0, "at 1 of 1 points")
    assert judged(some, *right) == ("met", 5, "at 2 of 2 points")
    assert judged(none, *right, predicted(0, 1))[:2] == ("violated", 1)
    assert judged(some, *right, predicted(12, 0))[:2] == ("violated", 0)
    assert judged(some, predicted(12, 0), *right)[0] == "met"  # the first has skew 0s


def test_a_choice_that_comes_to_nothing_says_nothing() -> None:
    verdict, observed, reason = judged(f"points[{PREDICTED}=0].{PATH} == 0", predicted(3, 3))
    assert (verdict, observed) == ("unknown", None)
    assert "no point turned out to have" in reason
    assert judged(f"sum(points[{PREDICTED}=0].{PATH}) == 0", predicted(3, 3))[0] == "unknown"


def test_a_point_that_may_be_meant_leaves_the_expectation_open() -> None:
    text = f"points[{PREDICTED}==0].{PATH} == 0"
    assert judged(text, predicted(0, 0), predicted(None, 0))[0] == "unknown"
    assert judged(text, predicted(0, 0), None)[0] == "unknown"
    assert judged(text, predicted(0, 0), predicted(0, 0, complete=False))[0] == "unknown"
    assert judged(text, predicted(0, 1), predicted(None, 0))[0] == "violated"


def test_what_theory_rules_out_and_happens_is_a_disagreement_whatever_the_numbers() -> None:
    for seats in (1, 50, 5_000):
        ruled_out = held_against(
            condition="", numbers_ns={}, seats=seats, left_out=0, expected=0.0,
            observed=1, surprises=1,
        )  # fmt: skip
        assert ruled_out.disagreements == 1


def test_a_point_without_results_leaves_open_only_what_hangs_on_it() -> None:
    missing: list[int | None] = [0, 0, None, 0, 9, 5]
    assert held(f"points[skew=0s].{PATH} == 0", missing)[0] == "met"
    assert held(f"points.{PATH} < 10", missing)[0] == "unknown"
    assert held(f"points.{PATH} < 9", missing)[0] == "violated"
    assert held(f"any(points.{PATH}) == 9", missing)[0] == "met"
    assert held(f"any(points.{PATH}) > 9", missing)[0] == "unknown"
    assert held(f"sum(points.{PATH}) > 0", missing)[0] == "unknown"


def test_evidence_that_is_missing_is_unknown_however_good_the_number() -> None:
    found = [results(0, complete=index > 0) for index in range(len(SETTINGS))]
    told = evaluate_sweep(f"points.{PATH} == 0", SETTINGS, found, ["load"], [])
    assert told.verdict == "unknown"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"points[skew=7s].{PATH} == 0", "no point has `skew=7s`"),
        (f"points[skw=0s].{PATH} == 0", "did you mean `skew`?"),
        (f"points[policy<wait].{PATH} == 0", "have no order"),
        (f"points[phases.load.bookings.predicton.rate>0].{PATH} == 0", "nearest: prediction"),
        (f"points[phases.load.bookings.receipts>5s].{PATH} == 0", "has no unit"),
        (f"points[skew].{PATH} == 0", "cannot read `skew`"),
        (f"most(points.{PATH}) == 0", "unknown function `most`"),
        (f"any(points.{PATH} == 0", "cannot read expectation"),
        (f"{PATH} == 0", "cannot read expectation"),
        ("points.phases.lod.bookings.receipts > 0", "unknown phase `lod`"),
        (f"points.{PATH} == 5s", "has no unit"),
    ],
)
def test_what_is_wrong_with_one_is_said(text: str, said: str) -> None:
    assert said in (check_sweep_expectation(text, SETTINGS, ["load"], ["paris"]) or "")
