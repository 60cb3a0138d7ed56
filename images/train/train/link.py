"""What a link between two nodes does to messages: delay, loss, duplication, reordering. Pure.

Impairment sits in the sender's shell, so it works on any network, and is drawn from a seed of its
own per link, so a run can be done again.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from .ticket import BadValueError


@dataclass(frozen=True, slots=True)
class Impairment:
    """Each message is lost or doubled with these probabilities, and each copy is delayed by a time
    drawn evenly between the two; different delays are what reorders."""

    loss: float = 0.0
    duplication: float = 0.0
    delay_min_ns: int = 0
    delay_max_ns: int = 0
    cut: bool = False
    """Nothing passes: a partition."""

    def __post_init__(self) -> None:
        for name, share in (("loss", self.loss), ("duplication", self.duplication)):
            if not 0.0 <= share <= 1.0:
                raise BadValueError(f"{name} {share}: between 0 and 1")
        if not 0 <= self.delay_min_ns <= self.delay_max_ns:
            raise BadValueError("delay: the least must not be above the most, nor below zero")


def fates(impairment: Impairment, chance: random.Random) -> tuple[int, ...]:
    """After which delays, ns, copies of one message arrive; none when it is lost."""
    lost, doubled = chance.random() < impairment.loss, chance.random() < impairment.duplication
    span = (impairment.delay_min_ns, impairment.delay_max_ns)
    delays = (chance.randint(*span), chance.randint(*span))
    if impairment.cut or lost:
        return ()
    return delays if doubled else delays[:1]


def link_chance(seed: int, sender: str, receiver: str) -> random.Random:
    """The link's own source of chance."""
    return random.Random(f"{seed} {sender} {receiver}")
