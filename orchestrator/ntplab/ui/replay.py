"""A finished run played again, with pause, speed and place: for all browsers at once."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from typing import Any

from ..evidence import RunDirectory
from .model import Model
from .recorded import load_moments

STEP_S = 0.04
SPEEDS = (0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0)


class Replay:
    """`model` is what the page shows now; another place in the run may mean another model."""

    def __init__(self, run: RunDirectory, about: dict[str, Any]) -> None:
        self._about = about
        self._moments = load_moments(run)
        self._times_ns = [moment.at_ns for moment in self._moments]
        self.start_ns = self._times_ns[0] if self._times_ns else 0
        self.end_ns = self._times_ns[-1] if self._times_ns else 0
        self.playing, self.speed = False, 1.0
        self._at_ns = self.start_ns
        self._next = 0
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self.model = Model(**about)
        self.seek(self.end_ns)
        self._thread = threading.Thread(target=self._play, name="ui-replay", daemon=True)

    def start(self) -> Replay:
        self._thread.start()
        return self

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join(5)

    @property
    def position_ms(self) -> float:
        return (self._at_ns - self.start_ns) / 1e6

    def seek(self, at_ns: int) -> None:
        """Show the run as it was at `at_ns` of lab time."""
        with self._lock:
            at_ns = max(self.start_ns, min(at_ns, self.end_ns))
            if at_ns < self._at_ns:
                self.model, self._next = Model(**self._about), 0
            self._forward(at_ns)

    def control(
        self,
        playing: bool | None = None,
        speed: float | None = None,
        position_ms: float | None = None,
    ) -> None:
        """Whatever of it is given. Playing from the end begins again."""
        with self._lock:
            if speed is not None:
                self.speed = speed
            if position_ms is not None:
                self.seek(self.start_ns + int(position_ms * 1e6))
            if playing is not None:
                if playing and self._at_ns >= self.end_ns:
                    self.seek(self.start_ns)
                self.playing = playing
            self._tell()

    def _forward(self, at_ns: int) -> None:
        self._at_ns = at_ns
        last = bisect_right(self._times_ns, at_ns)
        for moment in self._moments[self._next : last]:
            self.model.feed(moment.table, moment.rows)
        self._next = max(self._next, last)
        self._tell()

    def _tell(self) -> None:
        self.model.tell(
            replay={
                "playing": self.playing,
                "speed": self.speed,
                "position_ms": self.position_ms,
                "duration_ms": (self.end_ns - self.start_ns) / 1e6,
                "start": self.start_ns / 1e6,
            }
        )

    def _play(self) -> None:
        before_s = time.monotonic()
        while not self._stopped.wait(STEP_S):
            now_s = time.monotonic()
            passed_s, before_s = now_s - before_s, now_s
            with self._lock:
                if self.playing:
                    at_ns = self._at_ns + int(passed_s * self.speed * 1e9)
                    self.playing = at_ns < self.end_ns
                    self._forward(min(at_ns, self.end_ns))
