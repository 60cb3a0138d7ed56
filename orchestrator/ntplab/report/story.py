"""What a run's events say, put into order for drawing: phases, faults, NTP switches. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..analysis.phases import NtpSwitch, PhaseSpan, ntp_switches, phase_spans
from ..analysis.results import Results
from ..evidence import Event, Evidence, Manifest
from ..units import NS_PER_S


@dataclass(frozen=True)
class Stretch:
    """One phase in lab time, all its trials: from being set up to its end; `load_ns` is when the
    first load began. `ntp` is on, off or keep."""

    name: str
    ntp: str
    start_ns: int
    load_ns: int
    end_ns: int


@dataclass(frozen=True)
class Fault:
    """A fault that was seen in force at `lab_ns`. `value` is the scenario's, so anything."""

    node: str
    kind: str
    value: str
    lab_ns: int
    asked_ns: int
    phase: str
    end_ns: int
    """when something else replaced it, or its phase ended"""


@dataclass(frozen=True)
class Story:
    """One run. `start_ns`, `end_ns`: from the first phase's beginning to the last one's end."""

    manifest: Manifest
    results: Results
    events: Sequence[Event]
    stretches: Sequence[Stretch]
    faults: Sequence[Fault]
    switches: Sequence[NtpSwitch]

    @property
    def start_ns(self) -> int:
        return min((s.start_ns for s in self.stretches), default=0)

    @property
    def end_ns(self) -> int:
        return max((s.end_ns for s in self.stretches), default=self.start_ns + NS_PER_S)

    def stretch(self, phase: str) -> Stretch | None:
        return next((s for s in self.stretches if s.name == phase), None)

    def faults_in(self, phase: str) -> list[Fault]:
        return [fault for fault in self.faults if fault.phase == phase]


def tell(evidence: Evidence, results: Results) -> Story:
    """The story of a run, from its events. Raises EvidenceError for damaged ones."""
    manifest, events = evidence.manifest(), evidence.events()
    newest_ns = max((event.lab_ns for event in events), default=None)
    spans = phase_spans(manifest, events, newest_ns)
    stretches = list(_stretches(spans))
    end_ns = max((s.end_ns for s in stretches), default=0)
    faults = list(_faults(events, spans, end_ns))
    return Story(manifest, results, events, stretches, faults, list(ntp_switches(events)))


def _stretches(spans: Sequence[PhaseSpan]) -> Iterator[Stretch]:
    by_phase: dict[str, list[PhaseSpan]] = {}
    for span in spans:
        if span.begun_ns is not None:
            by_phase.setdefault(span.plan.trial_of or span.name, []).append(span)
    for name, trials in by_phase.items():
        starts = [trial.begun_ns for trial in trials if trial.begun_ns is not None]
        loads = [trial.start_ns for trial in trials if trial.start_ns is not None]
        ends = [trial.end_ns for trial in trials if trial.end_ns is not None]
        start_ns = min(starts)
        load_ns = min(loads, default=start_ns)
        end_ns = max(ends, default=max(load_ns, start_ns + NS_PER_S))
        yield Stretch(name, trials[0].plan.ntp, start_ns, load_ns, end_ns)


def _faults(events: Sequence[Event], spans: Sequence[PhaseSpan], end_ns: int) -> Iterator[Fault]:
    """Faults within phases; setting the clocks before one is not a fault."""
    phases = {span.name: span for span in spans}
    seen = [e for e in events if e.name == "fault.in_force" and e.fields.get("kind") != "clock"]
    for index, event in enumerate(seen):
        span = phases.get(str(event.phase))
        until_ns = (span.end_ns if span else None) or end_ns
        later = (e.lab_ns for e in seen[index + 1 :] if e.node == event.node)
        at_ns = int(event.fields.get("in_force_ns") or event.lab_ns)
        yield Fault(
            node=str(event.node),
            kind=str(event.fields.get("kind")),
            value=str(event.fields.get("value") or ""),
            lab_ns=at_ns,
            asked_ns=int(event.fields.get("asked_ns") or event.lab_ns),
            phase=(span.plan.trial_of or span.name) if span else "",
            end_ns=max(at_ns, min(next(later, until_ns), until_ns)),
        )


def worst_first(results: Results) -> list[str]:
    """Servers, the one whose clock strayed farthest first; then other nodes that strayed."""
    worst: dict[str, int] = {}
    others: dict[str, int] = {}
    for phase in results.phases:
        for into, nodes in ((worst, phase.divergence.servers), (others, phase.divergence.others)):
            for name, node in nodes.items():
                into[name] = max(into.get(name, 0), node.max_abs_ns or 0)
    strayed = {name: ns for name, ns in others.items() if ns > STRAYED_NS_MIN}
    order = sorted(worst, key=lambda name: (-worst[name], name))
    return order + sorted(strayed, key=lambda name: (-strayed[name], name))


STRAYED_NS_MIN = 10_000
"""a time server or database whose clock stayed nearer than this is not drawn"""
