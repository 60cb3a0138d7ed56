"""A comparison of two runs for people."""

from __future__ import annotations

from typing import Any

from ..scenario import point_words
from ..units import format_duration, format_ppm
from .clock import format_divergence
from .output import out

SHOWN_MAX = 40
COLUMNS = (
    "phase", "double\nbookings", "of them\n(95 %)", "more than\nchance", "clocks\napart",
    "avail-\nability", "latency\np95",
)  # fmt: skip


def show_comparison(comparison: dict[str, Any]) -> None:
    """Print what `analysis.comparing.compare_runs` found."""
    first, second = comparison["first"], comparison["second"]
    for label, head in (("first", first), ("second", second)):
        out.text(
            f"{label:6} {head['scenario']} {head['run']}, seed {head['seed']}: {head['verdict']}"
        )
    out.text("")
    _show_scenario(comparison["scenario"])
    out.text("")
    swept = any(row["set"] for row in comparison["rows"])
    out.table(
        [*(["point"] if swept else []), *COLUMNS],
        [_row(row, swept=swept) for row in comparison["rows"]],
    )  # fmt: skip
    for label in ("first", "second"):
        for place in comparison[f"only_in_{label}"]:
            where = f"{point_words(place['set'])} {place['phase']}".strip()
            out.text(f"only in the {label}: {where}")


def _show_scenario(differences: list[dict[str, Any]]) -> None:
    if not differences:
        out.text("the scenarios are the same")
        return
    out.table(
        ["scenario", "first", "second"],
        [
            (d["key"], plan_words(d["key"], d["first"]), plan_words(d["key"], d["second"]))
            for d in differences[:SHOWN_MAX]
        ],
    )
    if len(differences) > SHOWN_MAX:
        out.text(f"... and {len(differences) - SHOWN_MAX} more differences (--json has them all)")


def plan_words(key: str, value: Any) -> str:
    """A value of a plan in the unit that its key names."""
    if value is None:
        return "-"
    if key.endswith("_ns") and isinstance(value, int):
        return format_duration(value)
    return format_ppm(value) if key.endswith("_ppm") else str(value)


def _row(row: dict[str, Any], *, swept: bool) -> tuple[str, ...]:
    figures = row["figures"]
    chance = {None: "-", True: "yes", False: "no"}[row["rates_differ"]]
    return (
        *([point_words(row["set"])] if swept else []),
        row["phase"],
        _pair(figures["double_bookings"], str),
        _rates(figures["rate"], figures["ci95"]),
        chance,
        _pair(figures["apart_ns"], lambda ns: format_divergence(ns).lstrip("+")),
        _pair(figures["availability"], lambda share: f"{share:.1%}"),
        _pair(figures["latency_p95_ms"], lambda ms: f"{ms:.0f} ms"),
    )


def _pair(values: list[Any], words: Any) -> str:
    return " | ".join("-" if value is None else words(value) for value in values)


def _rates(rates: list[float | None], intervals: list[list[float]]) -> str:
    return " | ".join(
        "-" if rate is None else f"{rate:.0%} ({low:.0%}-{high:.0%})"
        for rate, (low, high) in zip(rates, intervals, strict=True)
    )
