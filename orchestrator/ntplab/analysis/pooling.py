"""The trials of a phase as one phase, each trial's own figures kept beside it.

Counts and durations are summed, and rates with their intervals follow from the sums. Maxima are
those of the worst trial, and so are quantiles (p50, p95, p99): pooled samples would give less or
as much. Medians are the median of the trials' medians, coverage is weighted by the reports it is
of. A time that one trial never reached was never reached.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from functools import reduce
from typing import TypeVar

from ..evidence import Manifest
from . import orders, predicting
from .bookings import DETAILS_MAX, WORST_FIRST, with_rate
from .results import (
    Bookings,
    Comparison,
    Divergence,
    ExceededBound,
    Finding,
    LatencyMs,
    NodeDivergence,
    PhaseEvidence,
    PhaseResult,
    ServerSync,
    Sync,
)

EXAMPLES_MAX = 20
N = TypeVar("N", int, float)
AnySync = TypeVar("AnySync", Sync, ServerSync)


def pooled(manifest: Manifest, results: Sequence[PhaseResult]) -> list[PhaseResult]:
    """`results` in order, those of one phase's trials made one. One for every phase planned."""
    trials: dict[str, list[PhaseResult]] = {}
    for planned, result in zip(manifest.phases, results, strict=True):
        trials.setdefault(planned.trial_of or planned.name, []).append(result)
    alone = {phase.name for phase in manifest.phases if phase.trial_of is None}
    return [found[0] if name in alone else pool(name, found) for name, found in trials.items()]


def pool(name: str, trials: Sequence[PhaseResult]) -> PhaseResult:
    """One phase of several trials; words on double bookings are kept once."""
    return PhaseResult(
        name=name,
        ntp=trials[0].ntp,
        duration_s=sum(t.duration_s for t in trials),
        start_lab_ns=_first(min, (t.start_lab_ns for t in trials)),
        end_lab_ns=_first(max, (t.end_lab_ns for t in trials)),
        divergence=_divergence([t.divergence for t in trials]),
        sync=_sync([t.sync for t in trials]),
        bookings=_bookings([t.bookings for t in trials]),
        comparison=reduce(orders.add, (t.comparison for t in trials), Comparison()),
        evidence=_evidence(trials),
        trials=[_in_short(t) for t in trials],
    )


def _in_short(trial: PhaseResult) -> PhaseResult:
    bookings = trial.bookings.model_copy(update={"double_booking_details": []})
    return trial.model_copy(update={"bookings": bookings})


def _first(choose: Callable[[list[N]], N], values: Iterable[N | None]) -> N | None:
    """The least or the most of what was measured; None where nothing was."""
    known = [value for value in values if value is not None]
    return choose(known) if known else None


def _median_ns(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return round(statistics.median(known)) if known else None


def _divergence(trials: Sequence[Divergence]) -> Divergence:
    return Divergence(
        max_abs_ns=_first(max, (t.max_abs_ns for t in trials)),
        p99_abs_ns=_first(max, (t.p99_abs_ns for t in trials)),
        pairwise_max_ns=_first(max, (t.pairwise_max_ns for t in trials)),
        servers=_by_name([t.servers for t in trials], _node),
        others=_by_name([t.others for t in trials], _node),
    )


def _node(trials: Sequence[NodeDivergence]) -> NodeDivergence:
    return NodeDivergence(
        samples=sum(t.samples for t in trials),
        max_abs_ns=_first(max, (t.max_abs_ns for t in trials)),
        p99_abs_ns=_first(max, (t.p99_abs_ns for t in trials)),
        median_ns=_median_ns(t.median_ns for t in trials),
    )


Item = TypeVar("Item")


def _by_name(
    trials: Sequence[dict[str, Item]], merge: Callable[[list[Item]], Item]
) -> dict[str, Item]:
    names = dict.fromkeys(name for trial in trials for name in trial)
    return {name: merge([trial[name] for trial in trials if name in trial]) for name in names}


def _sync(trials: Sequence[Sync]) -> Sync:
    together = _joined(trials)
    together.limit_ns = _first(max, (t.limit_ns for t in trials))
    together.exceeded_details = sorted(
        (exceeded for t in trials for exceeded in t.exceeded_details), key=_beyond, reverse=True
    )[:EXAMPLES_MAX]
    together.servers = _by_name([t.servers for t in trials], _server)
    return together


def _beyond(exceeded: ExceededBound) -> int:
    return abs(exceeded.divergence_ns - exceeded.offset_ns) - exceeded.bound_ns


def _server(trials: Sequence[ServerSync]) -> ServerSync:
    together = _joined(trials)
    together.daemon = trials[0].daemon
    together.steady_p50_ns = _median_ns(t.steady_p50_ns for t in trials)
    together.steady_p99_ns = _first(max, (t.steady_p99_ns for t in trials))
    together.belief_error_p50_ns = _median_ns(t.belief_error_p50_ns for t in trials)
    together.bound_p99_ns = _first(max, (t.bound_p99_ns for t in trials))
    return together


def _joined(trials: Sequence[AnySync]) -> AnySync:
    """What a server's way back and all servers' have in common."""
    kind = type(trials[0])
    beliefs = sum(t.beliefs for t in trials)
    held = [(t.bound_coverage, t.beliefs) for t in trials if t.bound_coverage is not None]
    weight = sum(count for _, count in held)
    return kind(
        seconds_to_1ms=_slowest(t.seconds_to_1ms for t in trials),
        seconds_to_limit=_slowest(t.seconds_to_limit for t in trials),
        beliefs=beliefs,
        belief_error_p99_ns=_first(max, (t.belief_error_p99_ns for t in trials)),
        bound_exceeded=sum(t.bound_exceeded for t in trials),
        bound_coverage=sum(share * count for share, count in held) / weight if weight else None,
        measured=all(t.measured for t in trials),
    )


def _slowest(values: Iterable[float | None]) -> float | None:
    times = list(values)
    return None if None in times else _first(max, times)


def _bookings(trials: Sequence[Bookings]) -> Bookings:
    summed = {
        name: sum(getattr(t, name) for t in trials)
        for name in (
            "attempts", "receipts", "contested_seats", "opportunities", "double_bookings",
            "unexplained", "undetermined", "order_inversions", "failed_requests",
            "receipts_without_record", "records_without_receipt",
        )
    }  # fmt: skip
    attempts = summed["attempts"]
    details = [d for t in trials for d in t.double_booking_details]
    told = sorted(details, key=lambda d: WORST_FIRST.index(d.status))[:DETAILS_MAX]
    return with_rate(
        Bookings(
            **summed,
            availability=(attempts - summed["failed_requests"]) / attempts if attempts else None,
            lag_median_ns=_median_ns(t.lag_median_ns for t in trials),
            latency_ms=LatencyMs(
                p50=_first(max, (t.latency_ms.p50 for t in trials)),
                p95=_first(max, (t.latency_ms.p95 for t in trials)),
                p99=_first(max, (t.latency_ms.p99 for t in trials)),
            ),
            prediction=predicting.pooled(t.prediction for t in trials),
            double_booking_details=[d for d in details if d in told],
            double_bookings_not_told=summed["double_bookings"] - len(told),
            findings=_findings([found for t in trials for found in t.findings]),
        )
    )


def _findings(found: Sequence[Finding]) -> list[Finding]:
    by_kind: dict[str, list[Finding]] = {}
    for finding in found:
        by_kind.setdefault(finding.kind, []).append(finding)
    return [
        Finding(
            kind=same[0].kind,
            count=sum(finding.count for finding in same),
            words=same[0].words,
            examples=[e for finding in same for e in finding.examples][:EXAMPLES_MAX],
        )
        for same in by_kind.values()
    ]


def _evidence(trials: Sequence[PhaseResult]) -> PhaseEvidence:
    parts = [t.evidence for t in trials]
    return PhaseEvidence(
        complete=all(part.complete for part in parts),
        missing=[f"{t.name}: {what}" for t in trials for what in t.evidence.missing],
        clock_samples=sum(part.clock_samples for part in parts),
        sampling_gaps=sum(part.sampling_gaps for part in parts),
        longest_gap_ns=max(part.longest_gap_ns for part in parts),
        servers_down=sorted({name for part in parts for name in part.servers_down}),
        skew_seen={
            f"{name} (trial {number})": seen
            for number, part in enumerate(parts, 1)
            for name, seen in part.skew_seen.items()
        },
        faults_seen=[seen for part in parts for seen in part.faults_seen],
    )
