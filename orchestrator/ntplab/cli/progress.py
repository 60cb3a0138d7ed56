"""Tells a run as it happens, on stderr: a line for what is done, a spinner for what is going on.

The spinner is there only on a terminal.
"""

from __future__ import annotations

import threading

from rich.status import Status

from ..events import (
    Event,
    FaultInForce,
    LabStep,
    NodeDied,
    NtpSettled,
    NtpSwitched,
    OscillatorLate,
    OscillatorTrouble,
    PhaseEnded,
    PhaseMeasuring,
    PhaseStarted,
    PointEnded,
    PointFailed,
    PointPrepared,
    PointStarted,
    ReportFailed,
    RunInterrupted,
    RunStarted,
    SampleGap,
    SweepStarted,
)
from ..plan import Plan
from ..units import NS_PER_S, format_duration
from .clock import format_divergence
from .output import Output

PASSING = (PhaseStarted, FaultInForce, NtpSwitched, NtpSettled, PhaseMeasuring, PhaseEnded)


class Narrator:
    """An `Emit` that renders events. Use as a context manager, so that the spinner ends."""

    def __init__(self, output: Output, plan: Plan) -> None:
        self.directory = ""
        self._sweeping = False
        self._out, self._plan = output, plan
        self._start_ns: int | None = None
        self._lock = threading.Lock()
        self._spinner: Status | None = None
        if output.words.is_terminal and not output.quiet:
            self._spinner = output.words.status("")

    def __enter__(self) -> Narrator:
        if self._spinner:
            self._spinner.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._spinner:
            self._spinner.stop()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, RunStarted | SweepStarted) and event.directory:
                self.directory = event.directory
            if isinstance(event, SweepStarted):
                self._sweeping = True
            self._start_ns = self._start_ns or event.lab_ns
            if isinstance(event, ReportFailed):
                self._out.say(f"no report could be made: {event.reason}")
                self._out.say(f"hint: ./ntplab -v report {event.directory} says more")
            if words := self._words(event):
                seconds = (event.lab_ns - self._start_ns) / 1e9
                if not self._in_passing(event):
                    self._out.step(f"{seconds:6.1f} s  {words}")
                if self._spinner:
                    self._spinner.update(words)

    def _span(self, phase: str) -> str:
        if self._sweeping:
            return ""  # each point has a plan of its own
        return f" for {format_duration(self._plan.phase(phase).duration_ns)}"

    def _in_passing(self, event: Event) -> bool:
        """In a sweep the phases of a point are told only by the spinner, unless with -v."""
        about_points = isinstance(event, PASSING)
        return self._sweeping and about_points and not self._out.verbose

    def _words(self, event: Event) -> str:
        """One line, or nothing for what is not worth one."""
        match event:
            case LabStep():
                return event.step
            case SweepStarted():
                done = f", {event.finished} of them done before" if event.finished else ""
                return f"a sweep of {event.points} points{done}"
            case PointStarted():
                again = " again" if event.attempt > 1 else ""
                left = format_duration(round(event.left_s) * NS_PER_S)
                return (
                    f"point {event.point} of {event.of}{again}: {event.settings}, about {left} left"
                )
            case PointPrepared() if event.changed:
                return f"  {'; '.join(event.changed)}"
            case PointEnded():
                return (
                    f"  {event.verdict}, {event.double_bookings} sold twice; "
                    f"{event.seconds:.1f} s, {event.overhead_s:.2f} s of it not measuring"
                )
            case PointFailed():
                then = "tried again in a fresh lab" if event.again else "given up, marked unknown"
                return f"  point {event.point} came to nothing: {event.reason}; {then}"
            case NodeDied():
                return f"{event.node} died with exit code {event.exit_code}"
            case PhaseStarted():
                return f"phase {event.phase}: NTP {event.ntp}"
            case FaultInForce():
                where = event.divergence_ns
                seen = "" if where is None else f", now {format_divergence(where)} from true time"
                return f"  {event.node}: {event.kind} {event.value} in force{seen}"
            case NtpSwitched() if self._out.verbose:
                return f"  {event.node}: NTP {event.state} ({event.method}), seen"
            case NtpSettled():
                return (
                    f"  every clock within {format_duration(event.limit_ns)} of true time "
                    f"{event.seconds:.1f} s after NTP was switched on"
                )
            case PhaseMeasuring():
                who = "clients ask" if self._plan.train else "buyers buy"
                return f"  {who}{self._span(event.phase)}"
            case PhaseEnded():
                return f"phase {event.phase}: done"
            case OscillatorLate() if event.seconds >= 1 or self._out.verbose:
                return f"  {event.node}: its oscillator stood still for {event.seconds:.1f} s"
            case OscillatorTrouble():
                return f"  {event.node}: its oscillator does not do what it should: {event.error}"
            case SampleGap():
                return f"  clocks were not sampled for {event.seconds:.2f} s"
            case RunInterrupted():
                return f"stopped: {event.reason}; cleaning up"
        return ""
