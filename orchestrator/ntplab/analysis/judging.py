"""From a run's evidence to its results: the story of judging, step by step.

Pure in the evidence: computing twice gives the same bytes, today or in ten years.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..evidence import Event, Evidence, Manifest, RunDirectory
from . import bookings, completeness, divergence, sync
from .clocks import Clocks, last_sample_ns, load_clocks
from .expectations import evaluate
from .phases import PhaseSpan, phase_spans
from .pooling import pooled
from .results import Bookings, Comparison, PhaseResult, Results, Verdict
from .train import double_sales, is_train, judge_phase, load_train


def analyze(run_dir: Path | RunDirectory) -> Results:
    """Judge a run and write its results.json. Raises EvidenceError when nothing can be read."""
    run = run_dir if isinstance(run_dir, RunDirectory) else RunDirectory.open(run_dir)
    results = judge(run)
    run.write_derived(run.results.name, results.to_json())
    return results


def judge(run: RunDirectory) -> Results:
    """The results of a run, written nowhere.

    1. read manifest, events and clock samples
    2. find each phase's measuring window
    3. per phase: divergence, sync, bookings, and whether its evidence is whole
    4. hold the expectations against that
    5. the verdict
    """
    with Evidence(run) as evidence:
        return _judge(evidence)


def _judge(evidence: Evidence) -> Results:
    manifest, events = evidence.manifest(), evidence.events()
    clocks = load_clocks(evidence, manifest.lab_errors_ns)
    spans = phase_spans(manifest, events, last_sample_ns(clocks))
    phases = [_phase(evidence, manifest, events, clocks, s) for s in spans]
    _judge_train(evidence, manifest, spans, phases)
    results = Results(
        run=manifest.run,
        scenario=manifest.scenario_name,
        policy=manifest.policy,
        seed=manifest.seed,
        verdict="unknown",
        phases=pooled(manifest, phases),
        truth=manifest.truth,
    )
    results.expectations = [evaluate(text, results, manifest.servers) for text in manifest.expect]
    results.verdict, results.reasons = _verdict(results, events)
    results.notes = _notes(evidence, events) + _disagreements(results)
    return results


def _phase(
    evidence: Evidence,
    manifest: Manifest,
    events: Sequence[Event],
    clocks: Clocks,
    span: PhaseSpan,
) -> PhaseResult:
    seen = bookings.load_phase(evidence, span.name)
    servers, error_ns = manifest.servers, manifest.clock_error_ns
    booked, comparison = Bookings(), Comparison()
    if not is_train(manifest):
        booked, comparison = bookings.judge(evidence, seen, manifest, clocks, span, events)
    daemons = {node.name: node.ntp_daemon for node in manifest.nodes if node.name in servers}
    return PhaseResult(
        name=span.name,
        ntp=span.plan.ntp,
        duration_s=span.duration_s,
        start_lab_ns=span.start_ns,
        end_lab_ns=span.end_ns,
        divergence=divergence.measure(clocks, span, servers),
        sync=sync.measure(evidence, clocks, span, events, daemons, error_ns),
        bookings=booked,
        comparison=comparison,
        evidence=completeness.examine(span, seen, manifest, events, clocks),
    )


def _judge_train(
    evidence: Evidence,
    manifest: Manifest,
    spans: Sequence[PhaseSpan],
    phases: Sequence[PhaseResult],
) -> None:
    """The train system's figures, put beside those about clocks."""
    seen = load_train(evidence, manifest)
    if seen is None:
        return
    twice = double_sales(seen)
    for span, phase in zip(spans, phases, strict=True):
        phase.train = judge_phase(seen, span, spans, twice)
        phase.evidence.missing += phase.train.missing
        phase.evidence.complete = not phase.evidence.missing


def _verdict(results: Results, events: Sequence[Event]) -> tuple[Verdict, list[str]]:
    """Violated beats unknown beats met.

    An unexplained double booking is violated whatever was expected: the model or the code
    is wrong. Missing evidence is unknown, also where every expectation happens to hold.
    """
    violated = [
        f"{phase.name}: unexplained double bookings: {phase.bookings.unexplained}"
        for phase in results.phases
        if phase.bookings.unexplained
    ]
    violated += [
        f"{phase.name}: unexplained double sales: {phase.train.unexplained}"
        for phase in results.phases
        if phase.train and phase.train.unexplained
    ]
    violated += [
        f"{found.expect}: observed {found.observed}" + (f" ({found.reason})" * bool(found.reason))
        for found in results.expectations
        if found.verdict == "violated"
    ]
    unknown = _unknown(results, events)
    if violated:
        return "violated", violated + unknown
    return ("unknown", unknown) if unknown else ("met", [])


def _unknown(results: Results, events: Sequence[Event]) -> list[str]:
    reasons = [
        f"{phase.name}: {what}" for phase in results.phases for what in phase.evidence.missing
    ]
    reasons += [
        f"{phase.name}: double bookings that cannot be judged: {phase.bookings.undetermined}"
        for phase in results.phases
        if phase.bookings.undetermined
    ]
    reasons += [
        f"{found.expect}: {found.reason}"
        for found in results.expectations
        if found.verdict == "unknown"
    ]
    if not results.phases:
        reasons.append("the run has no phases")
    if not any(event.name == "run.ended" for event in events):
        reasons.append("the run did not come to its end")
    return reasons


def _disagreements(results: Results) -> list[str]:
    """Phases in which theory and measurement do not fit together."""
    return [
        f"{phase.name}: theory expects {found.expected:.1f} double bookings on {found.seats} "
        f"contested seats, {found.observed} were observed (95 %: {low * found.seats:.1f} to "
        f"{high * found.seats:.1f}): they disagree"
        for phase in results.phases
        if (found := phase.bookings.prediction) is not None and found.disagreements
        for low, high in [found.ci95]
    ]


def _notes(evidence: Evidence, events: Sequence[Event]) -> list[str]:
    """What a reader should know beside the figures."""
    notes = [f"{name}: its last line was cut off and is left out" for name in sorted(evidence.torn)]
    notes += [f"{table}: no such table was recorded" for table in evidence.missing]
    notes += [
        f"{event.node} died (exit code {event.fields.get('exit_code')})"
        for event in events
        if event.name == "node.died"
    ]
    notes += [
        f"the run was interrupted: {event.fields.get('reason', '')}"
        for event in events
        if event.name == "run.interrupted"
    ]
    return notes
