"""From the points of a sweep to one table: the story of judging a sweep.

Each point is a run directory and is judged as one; what is added here is the table, the
expectations over all points, and what became of points that could not be had.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence

from ..errors import EvidenceError
from ..evidence import Attempt, Journal, Manifest, ManifestSweep, RunDirectory, read_journal
from ..evidence.checksums import SUMS, update_checksum
from ..evidence.manifest import ManifestPoint
from .judging import analyze
from .results import PhaseResult, Results, Verdict
from .sweep_expectations import evaluate_sweep
from .sweep_results import Cost, FailedAttempt, PointResult, SweepResults

JudgePoint = Callable[[RunDirectory], Results]
"""How a point's results come about: read, or computed again from its evidence."""


def stored(point: RunDirectory) -> Results:
    """The results that a point was given when it ended."""
    try:
        return Results.model_validate_json(point.results.read_bytes())
    except (OSError, ValueError) as error:
        raise EvidenceError(f"{point.results}: cannot be read: {error}") from error


def judge_sweep(run: RunDirectory, judge_point: JudgePoint) -> SweepResults:
    """The results of a sweep, written nowhere. Raises EvidenceError for a damaged point."""
    manifest, journal = run.read_manifest(), read_journal(run)
    sweep = manifest.sweep
    if sweep is None:
        raise EvidenceError(f"{run.path}: not a sweep")
    finished = journal.finished()
    judged = [
        judge_point(RunDirectory(run.path / finished[point.number].folder))
        if point.number in finished
        else None
        for point in sweep.points
    ]
    points = [
        _row(point, results, journal)
        for point, results in zip(sweep.points, judged, strict=True)
    ]  # fmt: skip
    results = SweepResults(
        run=manifest.run,
        scenario=manifest.scenario_name,
        seed=manifest.seed,
        axes=_axes(sweep),
        verdict="unknown",
        without_restart=_cost(points),
        points=points,
    )
    results.expectations = [
        evaluate_sweep(
            text,
            [point.set for point in sweep.points],
            judged,
            manifest.phase_names,
            manifest.servers,
        )
        for text in sweep.expect
    ]
    results.verdict, results.reasons = _verdict(results)
    results.notes = _notes(points, manifest)
    return results


def analyze_sweep(run: RunDirectory) -> SweepResults:
    """Judge every finished point and the whole again; writes results.json of each and of all."""

    def again(point: RunDirectory) -> Results:
        results = analyze(point)
        for name in (point.results, point.path / SUMS):
            update_checksum(run.path, name.relative_to(run.path).as_posix())
        return results

    results = judge_sweep(run, again)
    run.write_derived(run.results.name, results.to_json())
    return results


def _row(point: ManifestPoint, results: Results | None, journal: Journal) -> PointResult:
    attempts = journal.of(point.number)
    failed = [FailedAttempt(folder=a.folder, reason=a.reason) for a in _failed(attempts)]
    if results is None:
        why = failed[-1].reason if failed else "it was not run"
        return PointResult(
            number=point.number, set=point.set, verdict="unknown", reasons=[why], failed=failed
        )
    attempt = journal.finished()[point.number]
    return PointResult(
        number=point.number,
        set=point.set,
        verdict=results.verdict,
        reasons=results.reasons,
        policy=results.policy,
        folder=attempt.folder,
        failed=failed,
        seconds=attempt.seconds,
        overhead_s=attempt.overhead_s,
        restarted=attempt.restarted,
        changed=attempt.changed,
        expectations=results.expectations,
        phases=[_in_short(phase) for phase in results.phases],
    )


def _failed(attempts: Sequence[Attempt]) -> list[Attempt]:
    return [attempt for attempt in attempts if attempt.state == "failed"]


def _in_short(phase: PhaseResult) -> PhaseResult:
    bookings = phase.bookings.model_copy(update={"double_booking_details": []})
    return phase.model_copy(update={"bookings": bookings})


def _axes(sweep: ManifestSweep) -> dict[str, list[object]]:
    axes: dict[str, list[object]] = {}
    for point in sweep.points:
        for name, value in point.set.items():
            if value not in axes.setdefault(name, []):
                axes[name].append(value)
    return axes


def _cost(points: Sequence[PointResult]) -> Cost:
    spent = [p.overhead_s for p in points if p.overhead_s is not None and not p.restarted]
    if not spent:
        return Cost()
    return Cost(
        points=len(spent), overhead_median_s=statistics.median(spent), overhead_max_s=max(spent)
    )


def _verdict(results: SweepResults) -> tuple[Verdict, list[str]]:
    """Violated beats unknown beats met, over points and expectations alike."""
    reasons: dict[Verdict, list[str]] = {"violated": [], "unknown": [], "met": []}
    for point in results.points:
        why = point.reasons[0] if point.reasons else ""
        reasons[point.verdict].append(f"point {point.number}: {why}")
    for found in results.expectations:
        words = f"{found.expect}: observed {found.observed} ({found.reason})"
        reasons[found.verdict].append(words)
    told = reasons["violated"] + reasons["unknown"]
    if reasons["violated"]:
        return "violated", told
    return ("unknown", told) if told or not results.points else ("met", [])


def _notes(points: Sequence[PointResult], manifest: Manifest) -> list[str]:
    notes = [
        f"point {point.number} was tried again: {attempt.reason}"
        for point in points
        for attempt in point.failed
        if point.folder is not None
    ]
    return notes if manifest.ended_at else [*notes, "the sweep has not come to its end"]
