"""From values to places on paper, and where the ticks go. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ..units import NS_PER_S

Tick = float


class Scale(Protocol):
    """Maps `low`..`high` to 0..1."""

    def at(self, value: float) -> float: ...

    def ticks(self) -> Sequence[Tick]: ...


@dataclass(frozen=True)
class Linear:
    """Even. `low` must be below `high`."""

    low: float
    high: float
    wanted: int = 6
    """about so many ticks"""

    def at(self, value: float) -> float:
        return (value - self.low) / (self.high - self.low)

    def ticks(self) -> list[Tick]:
        step = nice_step((self.high - self.low) / self.wanted)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [index * step for index in range(first, last + 1)]


@dataclass(frozen=True)
class Symlog:
    """Logarithmic both ways from zero, linear within `threshold` of it.

    Five seconds and five microseconds are read off the same axis: asinh, as J. B. W. Webber,
    "A bi-symmetric log transformation for wide-range data", Meas. Sci. Technol. 24 (2013) 027001.
    """

    low: float
    high: float
    threshold: float = 1_000.0

    def at(self, value: float) -> float:
        low, high = self._bent(self.low), self._bent(self.high)
        return (self._bent(value) - low) / (high - low)

    def ticks(self) -> list[Tick]:
        """Zero and every power of ten (of a thousand, where those would crowd) on both sides;
        the largest first, as those are read most."""
        reach = max(abs(self.low), abs(self.high), self.threshold)
        decades = [self.threshold * 10**k for k in range(math.ceil(math.log10(reach)) + 1)]
        both = [-d for d in reversed(decades)] + [0.0] + decades
        inside = [tick for tick in both if self.low <= tick <= self.high]
        if len(inside) > 9:
            inside = [t for t in inside if t == 0 or round(math.log10(abs(t))) % 3 == 0]
        return sorted(inside, key=abs, reverse=True)

    def _bent(self, value: float) -> float:
        return math.asinh(value / self.threshold)


@dataclass(frozen=True)
class Band:
    """One place for each of some names, in order."""

    count: int

    def at(self, value: float) -> float:
        return (value + 0.5) / self.count

    def ticks(self) -> list[Tick]:
        return [float(index) for index in range(self.count)]


def nice_step(step: float) -> float:
    """The next number of the form 1, 2 or 5 times a power of ten that is not below `step`."""
    if step <= 0:
        raise ValueError(f"a step of {step}")
    power = math.pow(10, math.floor(math.log10(step)))
    return next(m * power for m in (1, 2, 5, 10) if m * power >= step * (1 - 1e-9))


def of_clocks(values_ns: Sequence[float]) -> Symlog:
    """The scale for divergences: zero is in it, and there is air above and below."""
    low, high = min(values_ns, default=0), max(values_ns, default=0)
    return Symlog(min(low * 3.0, -2_000.0), max(high * 3.0, 2_000.0))


SHARE_MIN = 1e-6
"""a scale is never finer than this"""


def of_shares(highest: float) -> Linear:
    """The scale for rates: from zero to a round figure above the highest."""
    if highest < SHARE_MIN:
        return Linear(0.0, 0.1 if highest == 0 else SHARE_MIN, 5)
    step = nice_step(highest / 5)
    return Linear(0.0, min(1.0, math.ceil(highest / step - 1e-9) * step), 5)


def of_time(start_ns: int, end_ns: int) -> Linear:
    """Seconds from `start_ns` on."""
    return Linear(0.0, max((end_ns - start_ns) / NS_PER_S, 1e-3), 8)
