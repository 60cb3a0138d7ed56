"""A sweep for people: a row for each point and phase, then the verdict."""

from __future__ import annotations

from ..analysis import SweepResults
from ..analysis.results import PhaseResult
from ..analysis.sweep_results import PointResult
from ..scenario import value_words
from .output import out
from .verdict_words import by_theory, show_judgement

COLUMNS = (
    "phase", "oppor-\ntunities", "double\nbookings", "by\ntheory", "of them\n(95 %)",
    "un-\nexplained", "avail-\nability", "latency\np95", "verdict",
)  # fmt: skip


def show_sweep(results: SweepResults) -> None:
    """Print a sweep's results on stdout."""
    axes = list(results.axes)
    out.table(["point", *axes, *COLUMNS], [row for p in results.points for row in _rows(p, axes)])
    cost = results.without_restart
    if cost.overhead_median_s is not None:
        out.text("")
        out.text(
            f"{cost.points} points without a restart cost {cost.overhead_median_s:.2f} s each "
            f"beside their measuring (at most {cost.overhead_max_s:.2f} s)"
        )
    out.text("")
    show_judgement(results)


def _rows(point: PointResult, axes: list[str]) -> list[tuple[str, ...]]:
    settings = [value_words(point.set[name]) if name in point.set else "" for name in axes]
    if not point.phases:
        why = point.reasons[0] if point.reasons else ""
        return [(str(point.number), *settings, "-", "", "", "", why, "", "", "", point.verdict)]
    return [
        (str(point.number), *settings, *_phase(phase), point.verdict) for phase in point.phases
    ]  # fmt: skip


def _phase(phase: PhaseResult) -> tuple[str, ...]:
    bookings = phase.bookings
    low, high = bookings.ci95
    p95, available = bookings.latency_ms.p95, bookings.availability
    return (
        phase.name,
        str(bookings.opportunities),
        str(bookings.double_bookings),
        by_theory(bookings.prediction),
        f"{bookings.rate:.0%} ({low:.0%}-{high:.0%})" if bookings.rate_trials else "-",
        str(bookings.unexplained),
        "-" if available is None else f"{available:.1%}",
        "-" if p95 is None else f"{p95:.0f} ms",
    )
