"""Samples all clock pages at one raw instant, at a steady rate, for as long as it is asked to.

The instant is read once and every page is evaluated at it, so a sample has no error of its
own between clocks: however late it was taken, it says what held then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from .output import Emit
from .schedule import NS_PER_S, Schedule

Document = Mapping[str, Any]


class Clock(Protocol):
    """What sampling needs of a clock page."""

    def read(self, raw: int) -> int: ...


class Pause(Protocol):
    """Waits: True when it was told to stop before `seconds` had passed."""

    def wait(self, seconds: float) -> bool: ...


@dataclass(frozen=True)
class Sampler:
    """All clocks of a lab; `raw_ns` reads the time base they count in."""

    clocks: Mapping[str, Clock]
    anchor_ns: int
    raw_ns: Callable[[], int]
    emit: Emit

    def run(self, rate_hz: float, pause: Pause) -> None:
        """Sample at `rate_hz` until `pause` says stop; tell of gaps in between."""
        schedule = Schedule.at_rate(self.raw_ns(), rate_hz)
        turn, last_ns = 0, schedule.start_ns
        while not pause.wait(max(0, schedule.due_ns(turn) - self.raw_ns()) / NS_PER_S):
            raw = self.raw_ns()
            if raw < schedule.due_ns(turn):
                continue  # the wait may end a little early
            if schedule.is_gap(turn, raw):
                self.emit(gap_document(last_ns, raw, self.anchor_ns))
            self.emit(clock_document(self.clocks, raw, self.anchor_ns))
            turn, last_ns = schedule.after(turn, raw), raw


def clock_document(clocks: Mapping[str, Clock], raw: int, anchor_ns: int) -> Document:
    """Every clock at `raw`: `[wall_ns, divergence_ns]` by node."""
    lab_ns = raw + anchor_ns
    walls = {node: clock.read(raw) for node, clock in clocks.items()}
    return {
        "t": "clock",
        "lab_ns": lab_ns,
        "n": {node: [wall_ns, wall_ns - lab_ns] for node, wall_ns in walls.items()},
    }


def gap_document(last_raw_ns: int, raw: int, anchor_ns: int) -> Document:
    """No sample was taken between the two instants."""
    return {
        "t": "gap",
        "lab_ns": raw + anchor_ns,
        "since_lab_ns": last_raw_ns + anchor_ns,
        "seconds": (raw - last_raw_ns) / NS_PER_S,
    }
