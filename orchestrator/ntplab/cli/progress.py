"""Tells a run as it happens, on stderr: a line for what is done, a spinner for what is going on.

The spinner is there only on a terminal.
"""

from __future__ import annotations

import threading
from types import TracebackType

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
    RunInterrupted,
    RunStarted,
    SampleGap,
)
from ..plan import Plan
from ..units import format_duration
from .clock import format_divergence
from .output import Output


class Narrator:
    """An `Emit` that renders events. Use as a context manager, so that the spinner ends."""

    def __init__(self, output: Output, plan: Plan) -> None:
        self.directory = ""
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

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._spinner:
            self._spinner.stop()

    def __call__(self, event: Event) -> None:
        with self._lock:
            if isinstance(event, RunStarted):
                self.directory = event.directory
            self._start_ns = self._start_ns or event.lab_ns
            if words := self._words(event):
                seconds = (event.lab_ns - self._start_ns) / 1e9
                self._out.step(f"{seconds:6.1f} s  {words}")
                if self._spinner:
                    self._spinner.update(words)

    def _words(self, event: Event) -> str:
        """One line, or nothing for what is not worth one."""
        match event:
            case LabStep():
                return event.step
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
                span = format_duration(self._plan.phase(event.phase).duration_ns)
                return f"  buyers buy for {span}"
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
