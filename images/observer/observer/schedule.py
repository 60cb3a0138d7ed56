"""When turns are due. Pure.

A turn that came late moves none of those after it; turns that were missed altogether are
left out, not made up for in a burst.
"""

from __future__ import annotations

from dataclasses import dataclass

NS_PER_S = 1_000_000_000
GAP_PERIODS = 3
"""A turn later than this many periods leaves a gap worth telling of."""


@dataclass(frozen=True)
class Schedule:
    """Turn 0 is due at `start_ns`, one more every `period_ns`."""

    start_ns: int
    period_ns: int

    @classmethod
    def at_rate(cls, start_ns: int, rate_hz: float) -> Schedule:
        return cls(start_ns, max(1, round(NS_PER_S / rate_hz)))

    def due_ns(self, turn: int) -> int:
        return self.start_ns + turn * self.period_ns

    def after(self, turn: int, now_ns: int) -> int:
        """The next turn once `turn` was taken at `now_ns`: the first that is not past yet."""
        passed = (now_ns - self.start_ns) // self.period_ns
        return max(turn, passed) + 1

    def is_gap(self, turn: int, now_ns: int) -> bool:
        """Whether `turn`, taken at `now_ns`, was late enough to leave a gap."""
        return now_ns - self.due_ns(turn) > GAP_PERIODS * self.period_ns
