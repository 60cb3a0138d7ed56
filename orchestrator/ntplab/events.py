"""What happens in a run, as typed events. The core emits them; only the command line, the
event log and the dashboard render them. Imports nothing of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Event:
    """Something that happened at `lab_ns` (lab time, UTC nanoseconds since the epoch)."""

    name: ClassVar[str] = ""
    lab_ns: int

    def record(self) -> dict[str, Any]:
        """The line of events.jsonl: `{"lab_ns", "event", ...}`, None fields left out."""
        fields = {key: value for key, value in asdict(self).items() if value is not None}
        return {"lab_ns": fields.pop("lab_ns"), "event": self.name, **fields}


Emit = Callable[[Event], None]


@dataclass(frozen=True)
class RunStarted(Event):
    name = "run.started"
    scenario: str
    lab: str
    directory: str


@dataclass(frozen=True)
class LabStep(Event):
    """A step of bringing the lab up or down, worth a progress line."""

    name = "lab.step"
    step: str


@dataclass(frozen=True)
class NodeStarted(Event):
    name = "node.started"
    node: str
    asked_ns: int


@dataclass(frozen=True)
class NodeDied(Event):
    name = "node.died"
    node: str
    exit_code: int | None
    log_tail: tuple[str, ...] = ()


@dataclass(frozen=True)
class PhaseStarted(Event):
    name = "phase.started"
    phase: str
    ntp: str
    duration_ns: int


@dataclass(frozen=True)
class PhaseMeasuring(Event):
    """The load window of a phase begins: faults are in force, clocks have settled."""

    name = "phase.measuring"
    phase: str


@dataclass(frozen=True)
class PhaseEnded(Event):
    name = "phase.ended"
    phase: str
    arrivals: int | None = None
    """how many attempts the buyers meant to make"""


@dataclass(frozen=True)
class FaultInForce(Event):
    """A fault asked for at `asked_ns` was read back at `in_force_ns`."""

    name = "fault.in_force"
    node: str
    kind: str
    value: str
    asked_ns: int
    in_force_ns: int
    divergence_ns: int | None = None
    phase: str | None = None
    oscillator: Mapping[str, Any] | None = None
    """all that the clock's oscillator then did, with seeds and since when"""


@dataclass(frozen=True)
class OscillatorAsked(Event):
    """The observer goes by this from now on: constant drift, models, seeds, since when."""

    name = "oscillator.asked"
    node: str
    models: Mapping[str, Any]


@dataclass(frozen=True)
class OscillatorLate(Event):
    """The observer missed `steps` steps of a model; the oscillator stayed at what it was."""

    name = "oscillator.late"
    node: str
    steps: int
    seconds: float


@dataclass(frozen=True)
class OscillatorTrouble(Event):
    """The observer cannot let an oscillator do what was asked of it."""

    name = "oscillator.trouble"
    node: str
    error: str


@dataclass(frozen=True)
class NtpSwitched(Event):
    """NTP of one node was switched, and seen to be switched at `in_force_ns`."""

    name = "ntp.switched"
    node: str
    state: str
    method: str
    asked_ns: int
    in_force_ns: int
    phase: str | None = None


@dataclass(frozen=True)
class NtpSeen(Event):
    """NTP of one node was found on or off, whoever switched it; `why` it is off, if it is."""

    name = "ntp.seen"
    node: str
    state: str
    why: str = ""


@dataclass(frozen=True)
class PolicyChanged(Event):
    """The servers decide by another policy from now on."""

    name = "policy.changed"
    policy: str


@dataclass(frozen=True)
class NtpSettled(Event):
    """Every server's divergence stayed below `limit_ns`, `seconds` after the switch."""

    name = "ntp.settled"
    phase: str
    seconds: float
    limit_ns: int
    worst_ns: int


@dataclass(frozen=True)
class SampleGap(Event):
    name = "sample.gap"
    seconds: float


@dataclass(frozen=True)
class RunInterrupted(Event):
    name = "run.interrupted"
    reason: str


@dataclass(frozen=True)
class RunEnded(Event):
    name = "run.ended"


@dataclass(frozen=True)
class ReportFailed(Event):
    """A run or sweep has no report; all else of it is there. Told, and not part of the evidence."""

    name = "report.failed"
    directory: str
    reason: str


@dataclass(frozen=True)
class SweepStarted(Event):
    name = "sweep.started"
    scenario: str
    directory: str
    points: int
    finished: int
    """points that an earlier sitting finished"""


@dataclass(frozen=True)
class PointStarted(Event):
    name = "point.started"
    point: int
    of: int
    settings: str
    attempt: int
    left_s: float
    """about how long the sweep still takes"""


@dataclass(frozen=True)
class PointPrepared(Event):
    """The lab is ready for the point; `changed` says what had to be done to it."""

    name = "point.prepared"
    point: int
    changed: tuple[str, ...]
    seconds: float


@dataclass(frozen=True)
class PointEnded(Event):
    name = "point.ended"
    point: int
    of: int
    verdict: str
    double_bookings: int
    seconds: float
    overhead_s: float


@dataclass(frozen=True)
class PointFailed(Event):
    """An attempt at a point came to nothing; it is tried once more."""

    name = "point.failed"
    point: int
    attempt: int
    reason: str
    again: bool
