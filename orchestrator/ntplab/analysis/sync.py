"""How long NTP took to bring the clocks back, and how right chronyd's beliefs were.

seconds_to_1ms: from the moment NTP on was asked for until the first sample after which the
divergence stays below 1 ms to the end of the phase. Not the first crossing: a clock that
swings through zero has not arrived. None when it never stays below; 0 when it was never
above. seconds_to_limit: the same for the settling limit of the phase (1 ms if it has none).

belief_error_p99_ns: the 99th percentile of |what chronyd believes the offset to be - the
true divergence at that instant|. bound_coverage: the share of its reports for which
|true divergence| <= |offset| + root dispersion + root delay / 2, the bound that RFC 5905
(section 11.2, root distance) and chrony's documentation of `tracking` give. Reports of a
daemon that says itself that it is not synchronised promise nothing and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ..evidence import Event, Evidence
from .clocks import Clocks, ClockSeries, quantile, to_series
from .phases import PhaseSpan, ntp_switches
from .results import ExceededBound, ServerSync, Sync
from .thetas import thetas_at

ONE_MS_NS = 1_000_000
UNSYNCHRONISED = "not synchroni"
"""chronyc's "Not synchronised", in either spelling"""

BOUND_NS = pl.col("offset_ns").abs() + pl.col("root_dispersion_ns") + pl.col("root_delay_ns") // 2
"""chronyd's own bound on its clock's error"""
_OFFSET = pl.col("offset_ns")


EXCEEDED_TOLD_MAX = 10
"""Exceeded bounds told in results.json for each phase: the worst ones. All are counted."""


def measure(
    evidence: Evidence,
    clocks: Clocks,
    span: PhaseSpan,
    events: Sequence[Event],
    servers: Sequence[str],
    sample_error_ns: int,
) -> Sync:
    """Sync figures of one phase: per server, and the slowest or all of them together."""
    if span.start_ns is None or span.end_ns is None:
        return Sync()
    limit_ns = span.plan.settle.limit_ns if span.plan.settle else ONE_MS_NS
    checks = {
        name: _checks(evidence, clocks.get(name, ClockSeries()), name, span, sample_error_ns)
        for name in servers
    }
    per_server = {
        name: _server(
            clocks.get(name, ClockSeries()),
            _switched_on_ns(name, span, events),
            span.end_ns,
            limit_ns,
            checks[name],
        )
        for name in servers
    }
    everyone = pl.concat(checks.values()) if checks else _NO_CHECKS
    switched = [one for one in per_server.values() if one.measured]
    return Sync(
        seconds_to_1ms=_slowest([one.seconds_to_1ms for one in switched]),
        seconds_to_limit=_slowest([one.seconds_to_limit for one in switched]),
        limit_ns=limit_ns,
        beliefs=len(everyone),
        belief_error_p99_ns=_error_p99(everyone),
        bound_coverage=_coverage(everyone),
        bound_exceeded=_exceeded(everyone).height,
        exceeded_details=_worst(everyone),
        measured=bool(switched),
        servers=per_server,
    )


def seconds_within(series: ClockSeries, from_ns: int, end_ns: int, limit_ns: int) -> float | None:
    """Seconds from `from_ns` until |divergence| stays below `limit_ns` up to `end_ns`."""
    watched = series.window(from_ns, end_ns)
    beyond = (to_series(watched.divergence_ns).abs() >= limit_ns).arg_true()
    after = int(beyond[-1]) + 1 if len(beyond) else 0
    if after == len(watched):
        return None
    return 0.0 if after == 0 else (watched.lab_ns[after] - from_ns) / 1e9


def _server(
    series: ClockSeries,
    on_ns: int | None,
    end_ns: int,
    limit_ns: int,
    checks: pl.DataFrame,
) -> ServerSync:
    figures = ServerSync(
        beliefs=len(checks),
        belief_error_p99_ns=_error_p99(checks),
        bound_coverage=_coverage(checks),
        bound_exceeded=_exceeded(checks).height,
        bound_p99_ns=quantile(checks["bound_ns"].to_arrow(), 0.99),
    )
    if on_ns is not None and len(series.window(on_ns, end_ns)):
        figures.measured = True
        figures.seconds_to_1ms = seconds_within(series, on_ns, end_ns, ONE_MS_NS)
        figures.seconds_to_limit = seconds_within(series, on_ns, end_ns, limit_ns)
    return figures


def _switched_on_ns(server: str, span: PhaseSpan, events: Sequence[Event]) -> int | None:
    """When NTP on was last asked for in this phase; None if it was not, or was undone."""
    begun_ns, end_ns = span.begun_ns or 0, span.end_ns or 0
    switches = [
        switch
        for switch in ntp_switches(events)
        if switch.node == server and begun_ns <= switch.lab_ns <= end_ns
    ]
    return switches[-1].asked_ns if switches and switches[-1].state == "on" else None


_NO_CHECKS = pl.DataFrame(
    schema={
        "node": pl.String,
        "lab_ns": pl.Int64,
        "offset_ns": pl.Int64,
        "bound_ns": pl.Int64,
        "theta_ns": pl.Int64,
        "error_ns": pl.Int64,
    }
)


def _checks(
    evidence: Evidence, series: ClockSeries, node: str, span: PhaseSpan, sample_error_ns: int
) -> pl.DataFrame:
    """Every usable report of a node inside the measuring window, held against the truth.

    `bound_ns` is rounded down, which changes no comparison of whole nanoseconds.
    """
    with evidence.reading("belief"):
        reports = (
            synchronised(evidence)
            .filter(pl.col("node") == node, pl.col("lab_ns").is_between(span.start_ns, span.end_ns))
            .drop_nulls()
            .collect(engine="streaming")
        )
    return reports.hstack(thetas_at(series, reports["lab_ns"], sample_error_ns)).drop_nulls()


def synchronised(evidence: Evidence) -> pl.LazyFrame:
    """node, lab_ns, offset_ns and bound_ns of all reports of daemons that say they are right."""
    without = pl.col("leap").str.to_lowercase().str.contains(UNSYNCHRONISED, literal=True)
    return (
        evidence.scan("belief")
        .filter(pl.col("state") == "ok", ~without.fill_null(False), _OFFSET.is_not_null())
        .select("node", "lab_ns", "offset_ns", bound_ns=BOUND_NS)
    )


def _error_p99(checks: pl.DataFrame) -> int | None:
    return quantile((checks["offset_ns"] - checks["theta_ns"]).abs().to_arrow(), 0.99)


def _exceeded(checks: pl.DataFrame) -> pl.DataFrame:
    return checks.filter(pl.col("theta_ns").abs() > pl.col("bound_ns"))


def _coverage(checks: pl.DataFrame) -> float | None:
    count = checks.height
    return (count - _exceeded(checks).height) / count if count else None


def _worst(checks: pl.DataFrame) -> list[ExceededBound]:
    """The reports whose bound was exceeded by most, the worst first."""
    excess = pl.col("theta_ns").abs() - pl.col("bound_ns")
    found = _exceeded(checks).with_columns(excess_ns=excess)
    first = found.sort(["excess_ns", "lab_ns"], descending=[True, False]).head(EXCEEDED_TOLD_MAX)
    return [
        ExceededBound(
            server=row["node"],
            lab_ns=row["lab_ns"],
            offset_ns=row["offset_ns"],
            bound_ns=row["bound_ns"],
            divergence_ns=row["theta_ns"],
            divergence_error_ns=row["error_ns"],
        )
        for row in first.to_dicts()
    ]


def _slowest(seconds: Sequence[float | None]) -> float | None:
    """The longest time; None if any server never arrived."""
    return None if None in seconds or not seconds else max(s for s in seconds if s is not None)
