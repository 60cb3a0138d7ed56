"""When each phase began, was measured and ended, and when NTP was switched, from the events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..evidence import Event, Manifest, ManifestPhase


@dataclass(frozen=True)
class PhaseSpan:
    """One phase in lab time. `start_ns`..`end_ns` is the measuring window: from
    phase.measuring (NTP switched, clocks settled, load begins) to phase.ended.

    Of a phase that was cut short, `end_ns` is the last clock sample. Of one that never came
    to measuring, `start_ns` and `end_ns` are None.
    """

    plan: ManifestPhase
    begun_ns: int | None
    start_ns: int | None
    end_ns: int | None
    ended: bool
    followed: bool
    """a later phase began or the run ended: the servers' records were collected by then"""
    arrivals: int | None
    """how many attempts the load meant to make, where the end of the phase says so"""

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def duration_s(self) -> float:
        if self.start_ns is None or self.end_ns is None:
            return 0.0
        return (self.end_ns - self.start_ns) / 1e9


def phase_spans(
    manifest: Manifest, events: Sequence[Event], last_sample_ns: int | None
) -> list[PhaseSpan]:
    """Every planned phase, in the planned order, also those that never began."""
    return [_span(phase, events, last_sample_ns) for phase in manifest.phases]


def _span(phase: ManifestPhase, events: Sequence[Event], last_sample_ns: int | None) -> PhaseSpan:
    of_phase = {event.name: event for event in events if event.phase == phase.name}
    begun, measuring, ended = (
        of_phase.get(name) for name in ("phase.started", "phase.measuring", "phase.ended")
    )
    start_ns = measuring.lab_ns if measuring else None
    end_ns = None
    if start_ns is not None:
        cut_ns = max(start_ns, last_sample_ns or start_ns)
        end_ns = ended.lab_ns if ended else cut_ns
    return PhaseSpan(
        plan=phase,
        begun_ns=begun.lab_ns if begun else start_ns,
        start_ns=start_ns,
        end_ns=end_ns,
        ended=ended is not None and start_ns is not None,
        followed=ended is not None and _followed(ended, events),
        arrivals=ended.fields.get("arrivals") if ended else None,
    )


def _followed(ended: Event, events: Sequence[Event]) -> bool:
    after = events[events.index(ended) + 1 :]
    return any(event.name in ("phase.started", "run.ended") for event in after)


@dataclass(frozen=True)
class NtpSwitch:
    """NTP of one node seen switched at `lab_ns`, `state` "on" or "off"; asked for before."""

    node: str
    state: str
    lab_ns: int
    asked_ns: int


def ntp_switches(events: Sequence[Event]) -> Iterator[NtpSwitch]:
    """Every switch of NTP, by a phase or as a fault within one, in the order seen."""
    for event in events:
        state = event.fields.get("state") if event.name == "ntp.switched" else None
        kind = str(event.fields.get("kind")) if event.name == "fault.in_force" else ""
        if kind in ("ntp-on", "ntp-off"):
            state = kind.removeprefix("ntp-")
        if state is not None and event.node is not None:
            asked_ns = int(event.fields.get("asked_ns", event.lab_ns))
            yield NtpSwitch(event.node, str(state), event.lab_ns, asked_ns)
