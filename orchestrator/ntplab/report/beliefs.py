"""What every server's NTP daemon said of its own clock, report by report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..analysis.sync import UNSYNCHRONISED
from ..evidence import Evidence

REPORTS_MAX = 300
"""so many reports of one server are drawn in one chart: evenly chosen"""

_COLUMNS = ["lab_ns", "node", "state", "offset_ns", "root_delay_ns", "root_dispersion_ns", "leap"]


@dataclass(frozen=True)
class Belief:
    """One report. `bound_ns` as RFC 5905 (11.2) gives it: |offset| + dispersion + delay / 2; None
    where the daemon does not tell, or says that it is not synchronised."""

    lab_ns: int
    offset_ns: int
    bound_ns: int | None


def beliefs_of(evidence: Evidence) -> dict[str, list[Belief]]:
    """Every usable report by node, in the order of time."""
    found: dict[str, list[Belief]] = {}
    for batch in evidence.batches("belief", _COLUMNS):
        for row in batch.to_pylist():
            if row["state"] == "ok" and None not in (row["lab_ns"], row["node"], row["offset_ns"]):
                bound_ns = _bound_ns(row)
                found.setdefault(row["node"], []).append(
                    Belief(row["lab_ns"], row["offset_ns"], bound_ns)
                )
    return {node: sorted(reports, key=lambda b: b.lab_ns) for node, reports in found.items()}


def _bound_ns(row: Mapping[str, object]) -> int | None:
    offset_ns, delay_ns, dispersion_ns = (
        row["offset_ns"], row["root_delay_ns"], row["root_dispersion_ns"]
    )  # fmt: skip
    unsynchronised = UNSYNCHRONISED in str(row["leap"] or "").lower()
    if unsynchronised or not isinstance(delay_ns, int) or not isinstance(dispersion_ns, int):
        return None
    return abs(int(str(offset_ns))) + dispersion_ns + delay_ns // 2


def between(reports: Sequence[Belief], start_ns: int, end_ns: int) -> list[Belief]:
    """Those of a stretch of time, thinned evenly to what can be drawn."""
    inside = [report for report in reports if start_ns <= report.lab_ns <= end_ns]
    step = -(-len(inside) // REPORTS_MAX) or 1
    return inside[::step]
