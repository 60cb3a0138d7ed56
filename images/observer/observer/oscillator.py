"""Models of what an oscillator does over time. Pure: lab time in, frequency or displacement out.

Frequencies are whole multiples of 2^-16 ppm ("scaled"), the unit of a clock page. They hold for
a step of 100 ms, on a grid that lab time alone decides: what a model gives for step k depends
on its parameters, its seed and k, never on who asks, when, or how often.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

NS_PER_S = 1_000_000_000
STEP_NS = 100_000_000
"""The grid: fine against the polls of any NTP daemon, and cheap."""
SCALED_PER_PPM = 65_536
MAX_PPM = 100_000
"""What a clock page accepts (MAX_DRIFT_PPM of model.h)."""
MIN_TEMPERATURE_NS = NS_PER_S
"""Shortest period of a sinusoid: ten steps."""
MIN_STROBE_NS = 20_000_000
"""Shortest period of a strobe: what the main process keeps up with."""
HORIZON = 1 << 36
"""Steps that a random walk can go: 218 years."""


def on_grid(lab_ns: int) -> int:
    """When the step that `lab_ns` is in began."""
    return lab_ns // STEP_NS * STEP_NS


@dataclass(frozen=True)
class Wander:
    """Random-walk frequency noise: white noise, integrated once, is the frequency.

    Its standard deviation grows with the root of time, `per_second_ppm` after the first second.
    The Allan variance of such noise of intensity s is s^2 tau / 3 (Riley, NIST SP 1065,
    "Handbook of Frequency Stability Analysis", 2008: random walk FM has a slope of +1/2 in
    sigma_y(tau)); in steps of T, at tau = m T, exactly s^2 tau / 3 (1 + 1 / (2 m^2)).
    """

    per_second_ppm: float
    seed: int
    since_lab_ns: int
    """on the grid"""

    def scaled(self, lab_ns: int) -> int:
        step = max(0, lab_ns - self.since_lab_ns) // STEP_NS
        each = self.per_second_ppm * math.sqrt(STEP_NS / NS_PER_S)
        return round(each * walk(self.seed, step) * SCALED_PER_PPM)


@dataclass(frozen=True)
class Temperature:
    """A frequency that follows the temperature of a day or of an air conditioner: a sinusoid.

    `phase_ns` is how far into its period it begins; it begins fast at 0. In each step it is the
    sinusoid's mean over the step, so at the end of each the wall clock has gained the exact
    integral, `amplitude / 2 pi * period * (cos(start) - cos(now))`; what is lost by rounding in
    one step is made up for in the next.
    """

    amplitude_ppm: float
    period_ns: int
    phase_ns: int
    since_lab_ns: int
    """on the grid"""

    def scaled(self, lab_ns: int) -> int:
        step = max(0, lab_ns - self.since_lab_ns) // STEP_NS
        return round(self._gained(step + 1)) - round(self._gained(step))

    def _gained(self, step: int) -> float:
        """The integral until `step` begins, in 2^-16 ppm times steps, but for a constant."""
        turn = (step * STEP_NS + self.phase_ns) % self.period_ns / self.period_ns
        radius = self.amplitude_ppm * SCALED_PER_PPM * self.period_ns / STEP_NS / math.tau
        return -radius * math.cos(math.tau * turn)


@dataclass(frozen=True)
class Strobe:
    """The wall clock jumps by `by_ns` and back, once each period, there for the first half.

    What Jepsen calls strobing a clock; it ends at home. `until_lab_ns` None: until told.
    """

    by_ns: int
    period_ns: int
    since_lab_ns: int
    until_lab_ns: int | None = None

    def displacement_ns(self, lab_ns: int) -> int:
        """How far from home the clock has to be."""
        if lab_ns < self.since_lab_ns or self.is_over(lab_ns):
            return 0
        return self.by_ns if self._in_period_ns(lab_ns) < self.period_ns // 2 else 0

    def next_turn_ns(self, lab_ns: int) -> int:
        """When it jumps next, after `lab_ns`."""
        into_ns = self._in_period_ns(lab_ns)
        half_ns = self.period_ns // 2
        turn_ns = lab_ns - into_ns + (half_ns if into_ns < half_ns else self.period_ns)
        return turn_ns if self.until_lab_ns is None else min(turn_ns, self.until_lab_ns)

    def is_over(self, lab_ns: int) -> bool:
        return self.until_lab_ns is not None and lab_ns >= self.until_lab_ns

    def _in_period_ns(self, lab_ns: int) -> int:
        return (lab_ns - self.since_lab_ns) % self.period_ns


def sum_scaled(
    drift_ppm: float, wander: Wander | None, temperature: Temperature | None, lab_ns: int
) -> int:
    """The oscillator's whole error in the step of `lab_ns`, within what a page accepts."""
    total = round(drift_ppm * SCALED_PER_PPM)
    total += sum(model.scaled(lab_ns) for model in (wander, temperature) if model is not None)
    return max(-MAX_PPM * SCALED_PER_PPM, min(MAX_PPM * SCALED_PER_PPM, total))


def walk(seed: int, step: int) -> float:
    """A random walk at `step`: 0 at 0, each step adds a normal number of variance 1.

    Found by halving: given both ends of a span, its middle is normal around their mean, with a
    quarter of the span as its variance (Levy's construction). So a step costs 36 draws wherever
    it is, and needs none of the steps before it.
    """
    left, right = 0, HORIZON
    at_left, at_right = 0.0, math.sqrt(HORIZON) * normal(seed, HORIZON)
    step = min(step, HORIZON)
    while left < step < right:
        middle = (left + right) // 2
        spread = math.sqrt((right - left) / 4)
        at_middle = (at_left + at_right) / 2 + spread * normal(seed, middle)
        if step < middle:
            right, at_right = middle, at_middle
        else:
            left, at_left = middle, at_middle
    return at_left if step == left else at_right


@lru_cache(maxsize=4096)  # the next step shares nearly all of them with this one
def normal(seed: int, index: int) -> float:
    """Number `index` of the standard normal numbers that `seed` stands for (Box and Muller)."""
    from hashlib import blake2b  # by who needs it: most one-shot commands do not

    digest = blake2b(f"{seed}/{index}".encode(), digest_size=16).digest()
    # 53 bits each, the first never 0
    radius = (int.from_bytes(digest[:8], "little") >> 11) + 1
    angle = int.from_bytes(digest[8:], "little") >> 11
    return math.sqrt(-2 * math.log(radius / 2**53)) * math.cos(math.tau * (angle / 2**53))
