"""What the buyers were told: counts over a whole phase.

Counted column by column while the table streams past: memory does not grow with the run,
but for eight bytes an attempt while the latencies are ranked.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from ..evidence import Evidence
from .clocks import quantile
from .results import LatencyMs

DECIDED = ["confirmed", "held", "rejected", "cancelled", "expired"]
"""answers that decide something; all else is a failed request"""

FINAL = pl.coalesce("confirm_outcome", "outcome")
"""what an attempt came to"""
CONFIRMED = (FINAL == "confirmed").fill_null(False)
HOLDS = CONFIRMED & pl.col("receipt_id").is_not_null()
"""the buyer holds a receipt that was not withdrawn"""


@dataclass(frozen=True)
class Attempts:
    """The attempts of one phase, counted."""

    count: int
    receipts: int
    failed: int
    """without a decision: no answer, an error, or a confirm that got none"""
    latency_ms: LatencyMs


def count_attempts(evidence: Evidence, phase: str) -> Attempts:
    """Count the attempts of one phase."""
    confirm = pl.col("confirm_outcome")
    decided = pl.col("outcome").is_in(DECIDED).fill_null(False)
    confirmed = confirm.is_null() | confirm.is_in(DECIDED).fill_null(False)
    with evidence.reading("attempts"):
        own = of_phase(evidence.scan("attempts"), phase)
        counts = own.select(
            count=pl.len(), receipts=HOLDS.sum(), failed=(~(decided & confirmed)).sum()
        ).collect(engine="streaming")
        waits = own.select((pl.col("answered_ns") - pl.col("due_ns")).drop_nulls())
        latency_ms = _latency_ms(waits.collect(engine="streaming").to_series())
    count, receipts, failed = counts.row(0)
    return Attempts(count, receipts, failed, latency_ms)


def of_phase(table: pl.LazyFrame, phase: str) -> pl.LazyFrame:
    """The rows of one phase."""
    return table.filter(pl.col("phase") == phase)


def _latency_ms(waits_ns: pl.Series) -> LatencyMs:
    """Answered minus due of every answered reservation: lateness of the server counts."""
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99}
    found = {name: quantile(waits_ns.to_arrow(), share) for name, share in shares.items()}
    return LatencyMs(**{k: None if v is None else v / 1e6 for k, v in found.items()})
