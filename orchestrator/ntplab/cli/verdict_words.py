"""Expectations, notes and the verdict for people: the same for a run and for a sweep."""

from __future__ import annotations

from ..analysis import Results, SweepResults
from ..analysis.results import Prediction
from .output import out


def show_judgement(results: Results | SweepResults) -> None:
    """Print what was expected and observed, and what follows from it."""
    for expectation in results.expectations:
        mark = {"met": "ok  ", "violated": "FAIL", "unknown": "?   "}[expectation.verdict]
        why = f"  ({expectation.reason})" if expectation.reason else ""
        out.text(f"{mark} {expectation.expect}   observed: {expectation.observed}{why}")
    for note in results.notes:
        out.text(f"note: {note}")
    out.text("")
    out.text(f"verdict: {results.verdict}")
    for reason in results.reasons:
        out.text(f"  {reason}")


def by_theory(prediction: Prediction | None) -> str:
    """How many double bookings theory expects; `!` where that is outside the interval."""
    if prediction is None:
        return "-"
    return f"{prediction.expected:.1f}".removesuffix(".0") + " !" * prediction.disagreements
