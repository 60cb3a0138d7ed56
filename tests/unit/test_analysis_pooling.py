"""Trials of one phase as one: sums where sums are meant, the worst where the worst is."""

from __future__ import annotations

import pytest

from ntplab.analysis.pooling import pool, pooled
from ntplab.analysis.results import (
    Bookings,
    Comparison,
    Divergence,
    ExceededBound,
    LatencyMs,
    NodeDivergence,
    Orders,
    PhaseEvidence,
    PhaseResult,
    ServerSync,
    Sync,
)
from ntplab.evidence import Manifest, ManifestPhase


def trial(number: int, **changes: object) -> PhaseResult:
    fields: dict[str, object] = {
        "duration_s": 5.0,
        "start_lab_ns": number * 100,
        "end_lab_ns": number * 100 + 50,
        "divergence": Divergence(
            max_abs_ns=number,
            servers={"lyon": NodeDivergence(samples=10, max_abs_ns=number, median_ns=number)},
        ),
        "sync": Sync(seconds_to_1ms=float(number), beliefs=10, bound_coverage=1.0, measured=True),
        "bookings": Bookings(
            attempts=20, contested_seats=10, opportunities=8, double_bookings=number,
            failed_requests=number, latency_ms=LatencyMs(p95=number * 1.0), lag_median_ns=number,
        ),
        "evidence": PhaseEvidence(complete=True, clock_samples=7),
        **changes,
    }  # fmt: skip
    return PhaseResult.model_validate({"name": f"off.{number}", "ntp": "off", **fields})


def test_counts_are_summed_and_the_rate_follows_from_the_sums() -> None:
    together = pool("off", [trial(1), trial(2), trial(3)])
    bookings = together.bookings
    assert (together.name, together.duration_s) == ("off", 15.0)
    assert (together.start_lab_ns, together.end_lab_ns) == (100, 350)
    assert (bookings.attempts, bookings.opportunities, bookings.double_bookings) == (60, 24, 6)
    assert bookings.rate == pytest.approx(6 / 24)
    assert bookings.rate_trials == 24
    assert bookings.ci95[0] < 0.25 < bookings.ci95[1]
    alone = trial(2).bookings
    assert bookings.ci95[1] - bookings.ci95[0] < alone.ci95[1] - alone.ci95[0]
    assert bookings.availability == pytest.approx(54 / 60)
    assert together.evidence.clock_samples == 21


def test_the_worst_trial_stands_for_all_where_sums_make_no_sense() -> None:
    together = pool("off", [trial(3), trial(1)])
    assert together.divergence.max_abs_ns == 3
    assert together.divergence.servers["lyon"].samples == 20
    assert together.divergence.servers["lyon"].median_ns == 2
    assert together.sync.seconds_to_1ms == 3.0
    assert together.bookings.latency_ms.p95 == 3.0
    assert [t.name for t in together.trials] == ["off.3", "off.1"]


def test_what_one_trial_never_reached_was_never_reached() -> None:
    never = trial(2, sync=Sync(beliefs=30, bound_coverage=0.5, measured=True))
    sync = pool("on", [trial(1), never]).sync
    assert sync.seconds_to_1ms is None
    assert sync.measured
    assert sync.bound_coverage == pytest.approx((10 * 1.0 + 30 * 0.5) / 40)


def test_one_trial_without_whole_evidence_leaves_the_phase_without() -> None:
    broken = trial(2, evidence=PhaseEvidence(complete=False, missing=["no attempts"]))
    evidence = pool("off", [trial(1), broken]).evidence
    assert not evidence.complete
    assert evidence.missing == ["off.2: no attempts"]


def test_only_phases_with_trials_are_pooled_in_the_planned_order() -> None:
    phases = [
        ManifestPhase(name="a"),
        ManifestPhase(name="off.1", trial_of="off"),
        ManifestPhase(name="off.2", trial_of="off", trial=2),
        ManifestPhase(name="z"),
    ]
    manifest = Manifest(run="r", scenario_name="s", policy="p", seed=1, phases=phases)
    given = [trial(9), trial(1), trial(2), trial(8)]
    found = pooled(manifest, given)
    assert [phase.name for phase in found] == ["off.9", "off", "off.8"]
    assert found[0] is given[0]
    assert manifest.phase_names == ["a", "off", "z"]


def test_orders_and_exceeded_bounds_of_all_trials_are_together() -> None:
    def exceeded(by_ns: int) -> ExceededBound:
        return ExceededBound(
            server="lyon", lab_ns=1, offset_ns=0, bound_ns=10,
            divergence_ns=10 + by_ns, divergence_error_ns=0,
        )  # fmt: skip

    def sync(by_ns: int) -> Sync:
        server = ServerSync(daemon="ntpsec", steady_p99_ns=by_ns, bound_exceeded=1, measured=True)
        return Sync(
            bound_exceeded=1,
            exceeded_details=[exceeded(by_ns)],
            measured=True,
            servers={"lyon": server},
        )

    seen = Comparison(by_truth=Orders(seats=5, order_changed=2), by_belief=Orders(seats=4))
    together = pool(
        "on", [trial(1, sync=sync(3), comparison=seen), trial(2, sync=sync(9), comparison=seen)]
    )
    assert together.comparison.by_truth == Orders(seats=10, order_changed=4)
    assert together.comparison.by_belief.seats == 8
    assert together.sync.bound_exceeded == 2
    assert [e.divergence_ns for e in together.sync.exceeded_details] == [19, 13]
    lyon = together.sync.servers["lyon"]
    assert (lyon.daemon, lyon.steady_p99_ns, lyon.bound_exceeded) == ("ntpsec", 9, 2)
