"""How long NTP took to bring the clocks back, how near it kept them, and how right the NTP
daemons' beliefs were.

seconds_to_1ms: from the moment NTP on was asked for until the first sample after which the
divergence stays below 1 ms to the end of the phase. Not the first crossing: a clock that
swings through zero has not arrived. None when it never stays below; 0 when it was never
above. seconds_to_limit: the same for the settling limit of the phase (1 ms if it has none).

steady_p50_ns, steady_p99_ns: quantiles of |divergence| over the last quarter of the measuring
window. The same quarter for every daemon, whether it had settled by then or not.

belief_error_p99_ns: the 99th percentile of |what the daemon believes the offset to be - the
true divergence at that instant|. bound_coverage: the share of its reports for which
|true divergence| <= |offset| + root dispersion + root delay / 2, the bound that RFC 5905
(section 11.2, root distance) and chrony's documentation of `tracking` give. Reports of a
daemon that says itself that it is not synchronised promise nothing and are left out. Of a
daemon that tells an offset but no bound (openntpd), only the error is known; of one that tells
nothing (timesyncd), neither.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl
import pyarrow.compute as pc

from ..evidence import Event, Evidence
from .clocks import Clocks, ClockSeries, quantile, to_arrow, to_series
from .phases import PhaseSpan, ntp_switches
from .results import ExceededBound, ServerSync, Sync
from .thetas import thetas_at

ONE_MS_NS = 1_000_000
STEADY_SHARE = 4
"""one part in so many of the measuring window, at its end, is the steady state"""
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
    daemons: Mapping[str, str],
    sample_error_ns: int,
) -> Sync:
    """Sync figures of one phase: per server, and the slowest or all of them together.

    `daemons`: the NTP daemon of every server, by name.
    """
    servers = tuple(daemons)
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
        ).model_copy(update={"daemon": daemons[name], **_steady(clocks, name, span)})
        for name in servers
    }
    everyone = pl.concat(checks.values()) if checks else _NO_CHECKS
    switched = [one for one in per_server.values() if one.measured]
    return Sync(
        seconds_to_1ms=_slowest([one.seconds_to_1ms for one in switched]),
        seconds_to_limit=_slowest([one.seconds_to_limit for one in switched]),
        limit_ns=limit_ns,
        beliefs=len(everyone),
        belief_error_p99_ns=_error(everyone, 0.99),
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
        belief_error_p50_ns=_error(checks, 0.5),
        belief_error_p99_ns=_error(checks, 0.99),
        bound_coverage=_coverage(checks),
        bound_exceeded=_exceeded(checks).height,
        bound_p99_ns=quantile(checks["bound_ns"].drop_nulls().to_arrow(), 0.99),
    )
    if on_ns is not None and len(series.window(on_ns, end_ns)):
        figures.measured = True
        figures.seconds_to_1ms = seconds_within(series, on_ns, end_ns, ONE_MS_NS)
        figures.seconds_to_limit = seconds_within(series, on_ns, end_ns, limit_ns)
    return figures


def _steady(clocks: Clocks, name: str, span: PhaseSpan) -> dict[str, int | None]:
    """Quantiles of |divergence| over the last quarter of the measuring window."""
    start_ns, end_ns = span.start_ns or 0, span.end_ns or 0
    from_ns = end_ns - (end_ns - start_ns) // STEADY_SHARE
    last = clocks.get(name, ClockSeries()).window(from_ns, end_ns)
    distances = pc.abs(to_arrow(last.divergence_ns))
    return {
        "steady_p50_ns": quantile(distances, 0.5),
        "steady_p99_ns": quantile(distances, 0.99),
    }


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
        "slack_ns": pl.Int64,
    }
)


def _checks(
    evidence: Evidence, series: ClockSeries, node: str, span: PhaseSpan, sample_error_ns: int
) -> pl.DataFrame:
    """Every usable report of a node inside the measuring window, held against the truth.

    `bound_ns` is null where the daemon gives none; it is rounded down, which changes no comparison
    of whole nanoseconds.
    """
    with evidence.reading("belief"):
        reports = (
            synchronised(evidence)
            .filter(pl.col("node") == node, pl.col("lab_ns").is_between(span.start_ns, span.end_ns))
            .collect(engine="streaming")
        )
    seen = reports.hstack(thetas_at(series, reports["lab_ns"], sample_error_ns))
    # By probes the truth is only known so well: a bound is exceeded where it is so for certain.
    slack = pl.col("error_ns") if len(series.error_ns) else pl.lit(0, pl.Int64)
    return seen.with_columns(slack_ns=slack).drop_nulls("theta_ns")


def synchronised(evidence: Evidence) -> pl.LazyFrame:
    """node, lab_ns, offset_ns and bound_ns of all reports of daemons that say they are right."""
    without = pl.col("leap").str.to_lowercase().str.contains(UNSYNCHRONISED, literal=True)
    return (
        evidence.scan("belief")
        .filter(pl.col("state") == "ok", ~without.fill_null(False), _OFFSET.is_not_null())
        .select("node", "lab_ns", "offset_ns", bound_ns=BOUND_NS)
    )


def _error(checks: pl.DataFrame, share: float) -> int | None:
    return quantile((checks["offset_ns"] - checks["theta_ns"]).abs().to_arrow(), share)


def _exceeded(checks: pl.DataFrame) -> pl.DataFrame:
    certain = pl.col("theta_ns").abs() - pl.col("slack_ns")
    return checks.filter(certain > pl.col("bound_ns"))


def _coverage(checks: pl.DataFrame) -> float | None:
    bounded = checks["bound_ns"].count()
    return (bounded - _exceeded(checks).height) / bounded if bounded else None


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
