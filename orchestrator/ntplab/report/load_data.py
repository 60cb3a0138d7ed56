"""The buyers' attempts as counts per second and as latencies per phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from ..evidence import TABLES, Evidence
from .samples import Window

BINS = 120
SHARES = (0.5, 0.75, 0.9, 0.95, 0.99, 0.999)
"""of the answers, in the chart of latencies"""
KINDS = ("confirmed", "rejected", "failed")
DECIDED = ("confirmed", "rejected")


@dataclass(frozen=True)
class Load:
    """`counts`: attempts due in each bin, by what became of them. `latencies_ms`: for each phase
    the quantiles `SHARES` of answer minus due time."""

    bin_ns: int
    counts: Mapping[str, Sequence[int]]
    latencies_ms: Mapping[str, Sequence[float]]


def load_of(evidence: Evidence, window: Window, phase_of: Mapping[str, str]) -> Load:
    """The load inside `window`. `phase_of`: the phase that each recorded phase (a trial) is of."""
    columns = ["phase", "due_ns", "answered_ns", "outcome", "confirm_outcome"]
    table = pa.Table.from_batches(evidence.batches("attempts", columns), schema=_schema(columns))
    frame = pl.from_arrow(table)
    assert isinstance(frame, pl.DataFrame)
    bin_ns = max(1, -(-(window.end_ns - window.start_ns + 1) // BINS))
    final = pl.coalesce("confirm_outcome", "outcome").fill_null("failed")
    frame = frame.with_columns(
        kind=pl.when(final.is_in(DECIDED)).then(final).otherwise(pl.lit("failed")),
        bin=(pl.col("due_ns") - window.start_ns) // bin_ns,
        of=pl.col("phase").replace(dict(phase_of)),
    )
    return Load(bin_ns, _counts(frame), _latencies(frame))


def _schema(columns: Sequence[str]) -> pa.Schema:
    return pa.schema([TABLES["attempts"].field(name) for name in columns])


def _counts(frame: pl.DataFrame) -> dict[str, list[int]]:
    counted = frame.drop_nulls("bin").group_by("kind", "bin").len()
    counts = {kind: [0] * BINS for kind in KINDS}
    for kind, index, count in counted.iter_rows():
        if 0 <= index < BINS:
            counts[kind][index] = count
    return counts


def _latencies(frame: pl.DataFrame) -> dict[str, list[float]]:
    waits = frame.with_columns(wait_ms=(pl.col("answered_ns") - pl.col("due_ns")) / 1e6)
    waits = waits.drop_nulls(["wait_ms", "of"])
    found = {}
    for (phase,), own in waits.group_by("of", maintain_order=True):
        quantiles = [own["wait_ms"].quantile(share, "higher") for share in SHARES]
        found[str(phase)] = [q for q in quantiles if q is not None]
    return found
