"""What a run cannot show: told of every run, from its own evidence."""

from __future__ import annotations

from collections.abc import Iterator

from ..analysis.results import PhaseResult
from ..evidence import Manifest
from .language import Language
from .story import Story


def limits(story: Story, say: Language) -> list[str]:
    """One sentence each; those that weigh most first."""
    found = [words for phase in story.results.phases for words in _phase(phase, say)]
    if not any(event.name == "run.ended" for event in story.events):
        found.insert(0, say("limit_unfinished"))
    return [*found, *_manifest(story.manifest, say)]


def phase_limits(phase: PhaseResult, say: Language) -> list[str]:
    """Those of one phase."""
    return list(_phase(phase, say))


def _phase(phase: PhaseResult, say: Language) -> Iterator[str]:
    bookings, evidence = phase.bookings, phase.evidence
    for what in evidence.missing:
        yield say("limit_missing", phase=phase.name, what=what)
    if bookings.attempts and not bookings.double_bookings:
        if not bookings.rate_trials or not bookings.opportunities:
            yield say("limit_no_opportunity", phase=phase.name)
        else:
            of = say(f"of_{bookings.rate_of}")
            high = say.numbers.percent(bookings.ci95[1])
            yield say("limit_zero", phase=phase.name, n=bookings.rate_trials, of=of, high=high)
    if evidence.sampling_gaps:
        longest = say.numbers.duration(evidence.longest_gap_ns)
        yield say("limit_gaps", phase=phase.name, n=evidence.sampling_gaps, longest=longest)
    if bookings.prediction is not None and bookings.prediction.left_out:
        yield say("limit_left_out", phase=phase.name, n=bookings.prediction.left_out)


def _manifest(manifest: Manifest, say: Language) -> Iterator[str]:
    error = say.numbers.duration(manifest.clock_error_ns)
    yield say("limit_clock", error=error, hz=say.numbers.real(manifest.clock_sample_hz))
    yield say("limit_one_host")
    yield say("limit_policy", policy=manifest.policy)
    yield say("limit_seed", seed=manifest.seed)
    host = [
        node.name
        for node in manifest.nodes
        if node.kind in ("server", "database") and not node.time_namespace
    ]
    if host and manifest.sweep is None:
        yield say("limit_namespace", nodes=", ".join(host))
    if manifest.git_dirty:
        yield say("limit_dirty")
