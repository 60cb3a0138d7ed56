"""What the oscillator of each clock does, and from which seed. Part of the second stage.

The seed of a node is drawn from the scenario's and the node's name: another server in the file
changes no walk but its own.
"""

from __future__ import annotations

import random

from .oscillator import OscillatorPlan, TemperaturePlan, WanderPlan
from .scenario.nodes import MachineClock

SEED_BITS = 53
"""a seed survives JSON readers that hold numbers as doubles"""


def oscillator_seed(scenario_seed: int, name: str) -> int:
    """The same in every phase: each that sets the clocks has the same wander from its start."""
    return random.Random(f"{scenario_seed}/oscillator/{name}").getrandbits(SEED_BITS)


def plan_oscillator(clock: MachineClock, seed: int) -> OscillatorPlan:
    """What a clock does beside its drift; `seed` is for what has none of its own."""
    wander = temperature = None
    if clock.wander is not None:
        own = clock.wander.seed
        wander = WanderPlan(clock.wander.per_second, seed if own is None else own)
    if clock.temperature is not None:
        model = clock.temperature
        temperature = TemperaturePlan(model.amplitude, model.period, model.phase)
    return OscillatorPlan(wander, temperature)
