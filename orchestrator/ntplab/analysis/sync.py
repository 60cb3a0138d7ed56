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
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..evidence import Event, Evidence
from .clocks import Clocks, ClockSeries, quantile, to_arrow
from .phases import PhaseSpan, ntp_switches
from .results import ServerSync, Sync

ONE_MS_NS = 1_000_000
STEADY_SHARE = 4
"""one part in so many of the measuring window, at its end, is the steady state"""
UNSYNCHRONISED = "not synchroni"
"""chronyc's "Not synchronised", in either spelling"""

_BELIEF = ["lab_ns", "node", "state", "offset_ns", "root_delay_ns", "root_dispersion_ns", "leap"]


@dataclass(frozen=True)
class _Check:
    """One report held against the truth; `covered` is None where it gave no bound."""

    error_ns: int
    covered: bool | None


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
    checks = _checks(evidence, clocks, span, sample_error_ns)
    per_server = {
        name: _server(
            clocks.get(name, ClockSeries()),
            _switched_on_ns(name, span, events),
            span.end_ns,
            limit_ns,
            checks.get(name, []),
        ).model_copy(update={"daemon": daemons[name], **_steady(clocks, name, span)})
        for name in servers
    }
    everyone = [check for name in servers for check in checks.get(name, [])]
    switched = [one for one in per_server.values() if one.measured]
    return Sync(
        seconds_to_1ms=_slowest([one.seconds_to_1ms for one in switched]),
        seconds_to_limit=_slowest([one.seconds_to_limit for one in switched]),
        limit_ns=limit_ns,
        beliefs=len(everyone),
        belief_error_p99_ns=_error(everyone, 0.99),
        bound_coverage=_coverage(everyone),
        measured=bool(switched),
        servers=per_server,
    )


def seconds_within(series: ClockSeries, from_ns: int, end_ns: int, limit_ns: int) -> float | None:
    """Seconds from `from_ns` until |divergence| stays below `limit_ns` up to `end_ns`."""
    watched = series.window(from_ns, end_ns)
    after = len(watched)
    while after > 0 and abs(watched.divergence_ns[after - 1]) < limit_ns:
        after -= 1
    if after == len(watched):
        return None
    return 0.0 if after == 0 else (watched.lab_ns[after] - from_ns) / 1e9


def _server(
    series: ClockSeries,
    on_ns: int | None,
    end_ns: int,
    limit_ns: int,
    checks: Sequence[_Check],
) -> ServerSync:
    figures = ServerSync(
        beliefs=len(checks),
        belief_error_p50_ns=_error(checks, 0.5),
        belief_error_p99_ns=_error(checks, 0.99),
        bound_coverage=_coverage(checks),
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


def _checks(
    evidence: Evidence, clocks: Clocks, span: PhaseSpan, sample_error_ns: int
) -> dict[str, list[_Check]]:
    """Every usable report inside the measuring window, by node."""

    def keep(batch: pa.RecordBatch) -> pa.RecordBatch:
        inside = pc.and_(
            pc.greater_equal(batch["lab_ns"], span.start_ns),
            pc.less_equal(batch["lab_ns"], span.end_ns),
        )
        return batch.filter(pc.and_(inside, pc.equal(batch["state"], "ok")))

    checks: dict[str, list[_Check]] = {}
    for row in evidence.table("belief", _BELIEF, keep).to_pylist():
        if row["offset_ns"] is None or UNSYNCHRONISED in (row["leap"] or "").lower():
            continue
        true = clocks.get(row["node"], ClockSeries()).at(row["lab_ns"], sample_error_ns)
        if true is not None:
            checks.setdefault(row["node"], []).append(_check(row, true.divergence_ns))
    return checks


def _check(row: Mapping[str, Any], true_ns: int) -> _Check:
    offset_ns, delay_ns = row["offset_ns"], row["root_delay_ns"]
    dispersion_ns = row["root_dispersion_ns"]
    covered = None
    if delay_ns is not None and dispersion_ns is not None:
        covered = abs(true_ns) <= abs(offset_ns) + dispersion_ns + delay_ns / 2
    return _Check(abs(offset_ns - true_ns), covered)


def _error(checks: Sequence[_Check], share: float) -> int | None:
    return quantile(pa.array([check.error_ns for check in checks], pa.int64()), share)


def _coverage(checks: Sequence[_Check]) -> float | None:
    bounded = [check.covered for check in checks if check.covered is not None]
    return sum(bounded) / len(bounded) if bounded else None


def _slowest(seconds: Sequence[float | None]) -> float | None:
    """The longest time; None if any server never arrived."""
    return None if None in seconds or not seconds else max(s for s in seconds if s is not None)
