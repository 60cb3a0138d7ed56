"""Results for people: the phases as a table, double bookings in words, the verdict."""

from __future__ import annotations

from ..analysis import Results, SweepResults
from ..analysis.explain.base import clock_text, span_text
from ..analysis.results import PhaseResult
from .clock import format_divergence
from .daemon_table import show_daemons
from .output import out
from .sweep_table import show_sweep
from .verdict_words import by_theory, show_judgement

EXPLAINED_SHOWN = 3


def show(results: Results | SweepResults, *, json: bool) -> None:
    """A run's or a sweep's results on stdout, as a document or for people."""
    if json:
        out.json(results.model_dump(mode="json", by_alias=True))
    elif isinstance(results, SweepResults):
        show_sweep(results)
    else:
        show_results(results)


def show_results(results: Results, explanations: int = EXPLAINED_SHOWN) -> None:
    """Print a run's results on stdout."""
    out.table(
        [
            "phase",
            "NTP",
            "clocks\napart",
            "oppor-\ntunities",
            "double\nbookings",
            "by\ntheory",
            "of them\n(95 %)",
            "un-\nexplained",
            "answered",
            "latency\np95",
        ],
        [_row(phase) for phase in results.phases],
    )
    _show_beliefs(results)
    show_daemons(results)
    _show_double_bookings(results, explanations)
    out.text("")
    show_judgement(results)


def _row(phase: PhaseResult) -> tuple[str, ...]:
    bookings = phase.bookings
    apart_ns = phase.divergence.pairwise_max_ns
    low, high = bookings.ci95
    p95 = bookings.latency_ms.p95
    return (
        phase.name,
        phase.ntp or "-",
        "?" if apart_ns is None else format_divergence(apart_ns).lstrip("+"),
        str(bookings.opportunities),
        str(bookings.double_bookings),
        by_theory(bookings.prediction),
        f"{bookings.rate:.0%} ({low:.0%}-{high:.0%})" if bookings.rate_trials else "-",
        str(bookings.unexplained),
        "-" if bookings.availability is None else f"{bookings.availability:.0%}",
        "-" if p95 is None else f"{p95:.0f} ms",
    )


def _show_beliefs(results: Results) -> None:
    """chronyd's bound on its clock's error, against the truth."""
    rows = [
        (
            phase.name,
            name,
            str(server.beliefs),
            _span(server.belief_error_p99_ns),
            _span(server.bound_p99_ns),
            "-" if server.bound_coverage is None else f"{server.bound_coverage:.0%}",
            str(server.bound_exceeded),
        )
        for phase in results.phases
        for name, server in phase.sync.servers.items()
        if server.beliefs
    ]
    if not rows:
        return
    out.text("")
    columns = ["reports", "off by\n(p99)", "bound\n(p99)", "truth\nwithin", "exceeded"]
    out.table(["phase", "chronyd of", *columns], rows)
    for phase in results.phases:
        for worst in phase.sync.exceeded_details[:1]:
            out.text(
                f"{phase.name}: {worst.server} was {span_text(worst.divergence_ns)} off and "
                f"promised to be within {span_text(worst.bound_ns)} "
                f"(the worst of {phase.sync.bound_exceeded}; lab time {clock_text(worst.lab_ns)})"
            )


def _span(ns: int | None) -> str:
    return "?" if ns is None else span_text(ns)


def _show_double_bookings(results: Results, shown: int) -> None:
    details = [d for phase in results.phases for d in phase.bookings.double_booking_details]
    if not details or not shown:
        return
    out.text("")
    out.text("Sold twice, for example:" if len(details) > shown else "Sold twice:")
    for detail in details[:shown]:
        out.text(f"  - {detail.words or detail.reason}")
    if len(details) > shown:
        out.text(f"  ... and {len(details) - shown} more in results.json")
