"""Results of the train system for people: its phases as a table, what was sold twice in words."""

from __future__ import annotations

from ..analysis import Results
from ..analysis.results import PhaseResult
from ..analysis.train_results import TrainFigures
from .clock import format_divergence
from .output import out


def show_train(results: Results, explanations: int) -> None:
    """Print tables, snapshots and double sales of a run on stdout."""
    phases = [(phase, phase.train) for phase in results.phases if phase.train is not None]
    out.table(
        [
            "phase",
            "NTP",
            "clocks\napart",
            "requests\nended",
            "sold",
            "per\nsecond",
            "holds\nexpired",
            "sold\ntwice",
            "un-\nexplained",
            "messages\nper sale",
            "bound by\nflooding",
            "latency\np95",
        ],
        [_row(phase, train) for phase, train in phases],
    )
    for phase, train in phases:
        if train.resales:
            out.text(f"{phase.name}: sold again to their owner: {train.resales}")
        _show_snapshots(phase.name, train)
    sales = [sale for _, train in phases for sale in train.double_sale_details]
    if sales and explanations:
        out.text("")
        out.text("Sold twice, for example:" if len(sales) > explanations else "Sold twice:")
        for sale in sales[:explanations]:
            out.text(f"  - {sale.words or f'ticket {sale.ticket}: {sale.reason}'}")
        if len(sales) > explanations:
            out.text(f"  ... and {len(sales) - explanations} more in results.json")


def _row(phase: PhaseResult, train: TrainFigures) -> tuple[str, ...]:
    apart_ns = phase.divergence.pairwise_max_ns
    return (
        phase.name,
        phase.ntp,
        "?" if apart_ns is None else format_divergence(apart_ns).lstrip("+"),
        f"{train.requests_ended} of {train.requests}",
        str(train.sold),
        f"{train.reservations_per_s:.1f}",
        str(train.holds_expired),
        str(train.double_sales),
        str(train.unexplained),
        _number(train.transmissions_per_reservation),
        _number(train.flooding_bound_per_reservation),
        "-" if train.latency_p95_ms is None else f"{train.latency_p95_ms:.0f} ms",
    )


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _show_snapshots(phase: str, train: TrainFigures) -> None:
    found = train.snapshots
    if found.taken:
        seconds = "?" if found.seconds_max is None else f"{found.seconds_max:.2f} s"
        extra = "" if found.messages is None else f", {found.messages} extra messages"
        state = f"{found.inconsistent} inconsistent" if found.inconsistent else "consistent"
        out.text(
            f"{phase}: {found.taken} snapshots, at most {seconds}{extra}, "
            f"{found.crossing} messages cross the cuts; {state}"
        )
    if found.loads:
        what = f"{found.load_differences} differences" if found.load_differences else "as the cut"
        out.text(f"{phase}: {found.loads} loads; the system after it is {what}")
    for problem in found.problems[:5]:
        out.text(f"  - {problem}")
