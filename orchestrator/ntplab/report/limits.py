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
    policy = say("limit_policy", policy=story.manifest.policy)
    return [*_unfinished(story, say), *found, policy, *_manifest(story.manifest, say)]


def run_limits(story: Story, say: Language) -> list[str]:
    """Those of any run, whatever system it was of."""
    return [*_unfinished(story, say), *_manifest(story.manifest, say)]


def _unfinished(story: Story, say: Language) -> Iterator[str]:
    if not any(event.name == "run.ended" for event in story.events):
        yield say("limit_unfinished")


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
    yield from limit_gaps(phase, say)
    if bookings.prediction is not None and bookings.prediction.left_out:
        yield say("limit_left_out", phase=phase.name, n=bookings.prediction.left_out)


def limit_gaps(phase: PhaseResult, say: Language) -> Iterator[str]:
    """When its clocks were not seen."""
    if phase.evidence.sampling_gaps:
        longest = say.numbers.duration(phase.evidence.longest_gap_ns)
        n = phase.evidence.sampling_gaps
        yield say("limit_gaps", phase=phase.name, n=n, longest=longest)


def _manifest(manifest: Manifest, say: Language) -> Iterator[str]:
    hz = say.numbers.real(manifest.clock_sample_hz)
    if manifest.truth == "ntp-probe":
        worst_ns = max(manifest.lab_errors_ns.values(), default=0)
        yield say("limit_probe", error=say.numbers.duration(worst_ns), hz=hz)
    else:
        error = say.numbers.duration(manifest.clock_error_ns)
        yield say("limit_clock", error=error, hz=hz)
        yield say("limit_one_host")
    yield say("limit_seed", seed=manifest.seed)
    host = [
        node.name
        for node in manifest.nodes
        if node.kind in ("server", "database") and not node.time_namespace
    ]
    if host and manifest.sweep is None and manifest.truth == "clock-page":
        yield say("limit_namespace", nodes=", ".join(host))
    if manifest.git_dirty:
        yield say("limit_dirty")
