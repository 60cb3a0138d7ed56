"""What a clock's oscillator does over time, as a plan has it: the observer's models by name.

Before plan.py. Pure; what each model is, says images/observer/observer/oscillator.py and
docs/explanation/oscillators.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from .units import format_duration, format_ppm


@dataclass(frozen=True)
class WanderPlan:
    """The frequency walks at random, by `per_second_ppm` (standard deviation) in a second."""

    per_second_ppm: float
    seed: int | None
    """None: the clock's own"""

    def words(self) -> str:
        return f"wander {format_ppm(self.per_second_ppm)}/√s"


@dataclass(frozen=True)
class TemperaturePlan:
    """The frequency follows a sinusoid that begins `phase_ns` into its period."""

    amplitude_ppm: float
    period_ns: int
    phase_ns: int

    def words(self) -> str:
        return f"temperature ±{format_ppm(self.amplitude_ppm)}/{format_duration(self.period_ns)}"


@dataclass(frozen=True)
class StrobePlan:
    """The wall clock jumps by `by_ns` and back once in every period."""

    by_ns: int
    period_ns: int
    for_ns: int | None
    """None: until something ends it"""

    def words(self) -> str:
        for_ = "" if self.for_ns is None else f" for {format_duration(self.for_ns)}"
        period = format_duration(self.period_ns)
        return f"strobe {format_duration(self.by_ns)}/{period}{for_}"


@dataclass(frozen=True)
class OscillatorPlan:
    """What an oscillator does beside its constant drift."""

    wander: WanderPlan | None = None
    temperature: TemperaturePlan | None = None

    def observer_json(self) -> dict[str, Any]:
        """For observer.json; empty if it does nothing."""
        parts = {"wander": self.wander, "temperature": self.temperature}
        return {key: asdict(part) for key, part in parts.items() if part is not None}

    def words(self) -> str:
        """Empty if it does nothing."""
        return ", ".join(part.words() for part in (self.wander, self.temperature) if part)


STEADY = OscillatorPlan()
MODELS = ("wander", "temperature", "strobe")
"""What an oscillator does over time, as the observer calls it."""


def models_in_words(models: Mapping[str, Any]) -> str:
    """What `show` of the observer says an oscillator does beside its drift; empty if nothing."""
    wander, temperature, strobe = (models[key] for key in MODELS)
    parts: list[WanderPlan | TemperaturePlan | StrobePlan] = []
    if wander:
        parts.append(WanderPlan(wander["per_second_ppm"], wander["seed"]))
    if temperature:
        keys = ("amplitude_ppm", "period_ns", "phase_ns")
        parts.append(TemperaturePlan(*(temperature[key] for key in keys)))
    if strobe:
        until_ns, since_ns = strobe["until_lab_ns"], strobe["since_lab_ns"]
        for_ns = None if until_ns is None else until_ns - since_ns
        parts.append(StrobePlan(strobe["by_ns"], strobe["period_ns"], for_ns))
    return ", ".join(part.words() for part in parts)
