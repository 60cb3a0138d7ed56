"""Whether a phase's evidence is whole, and what is missing. Missing evidence gives unknown.

A fault counts only once it was seen in force: a skew in the clock samples, a switch of NTP
and every other fault in the events, which are written after reading back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ..evidence import Event, Manifest
from .bookings import PhaseRecords
from .clocks import GAP_NS_MAX, Clocks, ClockSeries, gaps
from .phases import PhaseSpan, ntp_switches
from .results import PhaseEvidence, SkewSeen

SKEW_ERROR_NS_MAX = 1_000_000
"""A clock set by the observer is where it was asked to be, to within this and its drift."""
PROBED_SKEW_ERROR_NS_MAX = 50_000_000
"""A real clock was set by its own machine, and is seen through a network."""
LATE_PERIODS = 3
"""a sample later than this many periods is a gap"""


def examine(
    span: PhaseSpan,
    seen: PhaseRecords,
    manifest: Manifest,
    events: Sequence[Event],
    clocks: Clocks,
) -> PhaseEvidence:
    """Completeness of one phase: everything that is missing, in words."""
    if span.start_ns is None or span.end_ns is None:
        return PhaseEvidence(missing=[f"phase {span.name} never came to measuring"])
    inside = {
        name: clocks.get(name, ClockSeries()).window(span.start_ns, span.end_ns)
        for name in manifest.servers
    }
    period_ns = round(1e9 / manifest.clock_sample_hz)
    late = [
        gaps(series.lab_ns, span.start_ns, span.end_ns, LATE_PERIODS * period_ns)
        for series in inside.values()
    ]
    down = _down(span, manifest.servers, events)
    # A dead server has no clock to set and no NTP to switch; that it was down is reported.
    alive = [name for name in manifest.servers if name not in down]
    skews = _skews(span, manifest, alive, clocks)
    evidence = PhaseEvidence(
        clock_samples=sum(len(series) for series in inside.values()),
        sampling_gaps=max((count for count, _ in late), default=0),
        longest_gap_ns=max((longest for _, longest in late), default=0),
        servers_down=down,
        skew_seen=skews,
        faults_seen=_faults_seen(span, events),
    )
    evidence.missing = [
        *_unfinished(span, seen),
        *(f"{name}: its clock was never sampled" for name, s in inside.items() if not len(s)),
        *_gap(evidence, inside),
        *(_skew_words(name, skew) for name, skew in skews.items() if not skew.ok),
        *_ntp(span, alive, events),
        *_faults(span, events),
    ]
    evidence.complete = not evidence.missing
    return evidence


def _unfinished(span: PhaseSpan, seen: PhaseRecords) -> Iterator[str]:
    if not span.ended:
        yield f"phase {span.name} was cut short"
    # A phase that was planned without load has no attempts to record.
    if seen.attempts.count == 0 and span.plan.load != []:
        yield "no attempts were recorded"
    elif span.arrivals is not None and seen.attempts.count < span.arrivals:
        yield f"only {seen.attempts.count} of {span.arrivals} attempts were recorded"
    if seen.attempts.receipts and not seen.records.reservations:
        yield "the servers' records were not collected"
    elif span.ended and not span.followed:
        yield "the run was cut short before the servers' records were collected for certain"


def _gap(evidence: PhaseEvidence, inside: dict[str, ClockSeries]) -> Iterator[str]:
    if evidence.longest_gap_ns > GAP_NS_MAX and all(len(series) for series in inside.values()):
        yield f"the clocks were not sampled for {evidence.longest_gap_ns / 1e9:.1f} s"


def _skews(
    span: PhaseSpan, manifest: Manifest, servers: Sequence[str], clocks: Clocks
) -> dict[str, SkewSeen]:
    """The clocks as the phase set them, where no NTP has moved them since."""
    if span.plan.clocks == "keep" or span.start_ns is None:
        return {}
    elapsed_ns = span.start_ns - (span.begun_ns or span.start_ns)
    seen: dict[str, SkewSeen] = {}
    for name, skew in sorted(manifest.skews.items()):
        if name in span.plan.steered or name not in servers:
            continue
        skewed = span.plan.clocks == "skewed"
        asked_ns = skew.offset_ns if skewed else 0
        drifted_ns = abs(skew.divergence_ns(elapsed_ns) - skew.offset_ns) if skewed else 0
        shown_ns = clocks.get(name, ClockSeries()).last_before(span.start_ns)
        probed = manifest.truth == "ntp-probe"
        error_ns_max = (PROBED_SKEW_ERROR_NS_MAX if probed else SKEW_ERROR_NS_MAX) + drifted_ns
        ok = shown_ns is not None and abs(shown_ns - asked_ns) <= error_ns_max
        seen[name] = SkewSeen(asked_ns=asked_ns, seen_ns=shown_ns, ok=ok)
    return seen


def _skew_words(name: str, skew: SkewSeen) -> str:
    shown = "was not sampled" if skew.seen_ns is None else f"was {skew.seen_ns} ns off"
    return f"{name}: its clock was to be {skew.asked_ns} ns off, and {shown} when the load began"


def _ntp(span: PhaseSpan, servers: Sequence[str], events: Sequence[Event]) -> Iterator[str]:
    """Servers whose NTP was to be switched and was not seen to be, when the load began."""
    wanted = span.plan.ntp
    if wanted == "keep":
        return
    before = [switch for switch in ntp_switches(events) if switch.lab_ns <= (span.start_ns or 0)]
    for name in (node for node in span.plan.switched if node in servers):
        states = [switch.state for switch in before if switch.node == name]
        if not states or states[-1] != wanted:
            yield f"{name}: NTP {wanted} was not seen in force"


def _faults(span: PhaseSpan, events: Sequence[Event]) -> Iterator[str]:
    """Planned faults that no event shows in force."""
    if not span.ended:
        return
    planned = Counter((fault.node, fault.kind) for fault in span.plan.faults)
    shown: Counter[tuple[str | None, str]] = Counter(_shown(span, events))
    for (node, kind), count in sorted(planned.items()):
        if shown[node, kind] < count:
            yield f"{node}: fault {kind} was not seen in force"


def _shown(span: PhaseSpan, events: Sequence[Event]) -> Iterator[tuple[str | None, str]]:
    """(node, kind of fault) of all that came into force while the phase was measured."""
    start_ns, end_ns = span.start_ns or 0, span.end_ns or 0
    for event in events:
        if event.name == "fault.in_force" and start_ns <= event.lab_ns <= end_ns:
            yield event.node, str(event.fields.get("kind"))


def _faults_seen(span: PhaseSpan, events: Sequence[Event]) -> list[str]:
    return [f"{node} {kind}" for node, kind in _shown(span, events)]


def _down(span: PhaseSpan, servers: Sequence[str], events: Sequence[Event]) -> list[str]:
    """Servers that were dead at some moment of the measuring window."""
    start_ns, end_ns = span.start_ns or 0, span.end_ns or 0
    down: set[str] = set()
    for event in events:
        node = event.node
        if node is None or node not in servers or event.lab_ns > end_ns:
            continue
        if event.name == "node.died":
            down.add(node)
        elif event.name == "node.started" and event.lab_ns < start_ns:
            down.discard(node)
    return sorted(down)
