"""Breadth-first search through every state that actors and a network can reach.

The network is a set: a message that was sent may be delivered at any time, any number of times, or
never. That is loss, duplication and reordering at once. An actor's answer to an event depends on
its own state alone, so each (state, event) is computed once with the real code; a state of the
whole is a tuple of small numbers and one bit per message, and costs little to compare.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

A = TypeVar("A")
M = TypeVar("M", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Event(Generic[A, M]):
    """Something that can happen to one actor: its new state, and (receiver, message) sent."""

    label: str
    state: A
    sends: tuple[tuple[int, M], ...] = ()
    wrong: str | None = None
    """What this event itself shows to be wrong."""


class Model(Protocol[A, M]):
    """What is checked. All functions are pure."""

    @property
    def start(self) -> tuple[A, ...]: ...
    def key(self, state: A) -> Hashable: ...
    def own_events(self, actor: int, state: A) -> Iterator[Event[A, M]]: ...
    def delivered(self, actor: int, state: A, message: M) -> Event[A, M]: ...
    def wrong(self, states: tuple[A, ...]) -> str | None: ...
    def at_rest(self, states: tuple[A, ...]) -> bool: ...


@dataclass
class Report:
    """`wrong` is what was found first, `path` the shortest way to it. `exhausted`: there are no
    more states within the bounds. `stuck`: states from which no way leads to rest; only counted
    when the search was exhaustive."""

    states: int
    transitions: int
    seconds: float
    exhausted: bool
    wrong: str | None = None
    path: list[str] = field(default_factory=list)
    stuck: int = 0

    @property
    def states_per_second(self) -> float:
        return self.states / self.seconds if self.seconds else 0.0


Whole = tuple[tuple[int, ...], int]
"""Each actor's state by number, and the messages sent so far, a bit each."""
Taken = tuple[str, int, int, str | None]
"""label, the actor's new state, bits of what it sent, what was wrong"""


class Search(Generic[A, M]):
    """One search. `states_max` ends it before it is exhausted."""

    def __init__(
        self, model: Model[A, M], states_max: int, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._model = model
        self._states_max = states_max
        self._clock = clock
        self._numbers: dict[tuple[int, Hashable], int] = {}
        self._states: list[A] = []
        self._bits: dict[tuple[int, M], int] = {}
        self._inbox: list[tuple[int, M]] = []
        self._for_actor = [0 for _ in model.start]
        self._own: dict[tuple[int, int], list[Taken]] = {}
        self._taken: dict[tuple[int, int, int], Taken] = {}
        self._judged: dict[tuple[int, ...], str | None] = {}

    def run(self) -> Report:
        began = self._clock()
        start = (tuple(self._number(a, s) for a, s in enumerate(self._model.start)), 0)
        came: dict[Whole, tuple[Whole | None, str]] = {start: (None, "")}
        into: dict[Whole, list[Whole]] = {start: []}
        layer, transitions = [start], 0
        while layer:
            following: list[Whole] = []
            for whole in layer:
                for label, found, wrong in self._next(whole):
                    transitions += 1
                    if found in into:
                        into[found].append(whole)
                        if wrong is None:
                            continue
                    else:
                        into[found] = [whole]
                        came[found] = (whole, label)
                        following.append(found)
                    wrong = wrong or self._wrong(found[0])
                    if wrong is not None:
                        path = [*self._path(came, whole), label]
                        seconds = self._clock() - began
                        return Report(len(came), transitions, seconds, False, wrong, path)
                if len(came) >= self._states_max:
                    return Report(len(came), transitions, self._clock() - began, False)
            layer = following
        stuck = len(came) - self._can_rest(into)
        return Report(len(came), transitions, self._clock() - began, True, stuck=stuck)

    def _next(self, whole: Whole) -> Iterator[tuple[str, Whole, str | None]]:
        numbers, sent = whole
        for actor, number in enumerate(numbers):
            for taken in self._own_events(actor, number):
                yield _after(whole, actor, taken)
            waiting = sent & self._for_actor[actor]
            while waiting:
                bit = waiting & -waiting
                waiting ^= bit
                taken = self._deliver(actor, number, bit.bit_length() - 1)
                if taken[1] != number or taken[2] & ~sent or taken[3]:
                    yield _after(whole, actor, taken)

    def _own_events(self, actor: int, number: int) -> list[Taken]:
        if (actor, number) not in self._own:
            events = self._model.own_events(actor, self._states[number])
            self._own[actor, number] = [self._take(actor, event) for event in events]
        return self._own[actor, number]

    def _deliver(self, actor: int, number: int, message: int) -> Taken:
        taken = self._taken.get((actor, number, message))
        if taken is None:
            body = self._inbox[message][1]
            event = self._model.delivered(actor, self._states[number], body)
            taken = self._taken[actor, number, message] = self._take(actor, event)
        return taken

    def _take(self, actor: int, event: Event[A, M]) -> Taken:
        sent = 0
        for receiver, message in event.sends:
            sent |= self._bit(receiver, message)
        return event.label, self._number(actor, event.state), sent, event.wrong

    def _number(self, actor: int, state: A) -> int:
        key = (actor, self._model.key(state))
        if key not in self._numbers:
            self._numbers[key] = len(self._states)
            self._states.append(state)
        return self._numbers[key]

    def _bit(self, receiver: int, message: M) -> int:
        number = self._bits.setdefault((receiver, message), len(self._inbox))
        if number == len(self._inbox):
            self._inbox.append((receiver, message))
            self._for_actor[receiver] |= 1 << number
        return 1 << number

    def _wrong(self, numbers: tuple[int, ...]) -> str | None:
        if numbers not in self._judged:
            self._judged[numbers] = self._model.wrong(self._of(numbers))
        return self._judged[numbers]

    def _of(self, numbers: tuple[int, ...]) -> tuple[A, ...]:
        return tuple(self._states[number] for number in numbers)

    def _path(self, came: dict[Whole, tuple[Whole | None, str]], whole: Whole) -> list[str]:
        labels: list[str] = []
        at: Whole | None = whole
        while at is not None:
            at, label = came[at]
            labels.append(label)
        return labels[-2::-1]

    def _can_rest(self, into: dict[Whole, list[Whole]]) -> int:
        """How many states have a way to rest: walked backwards from those at rest."""
        todo = [whole for whole in into if self._model.at_rest(self._of(whole[0]))]
        reached = set(todo)
        while todo:
            for before in into[todo.pop()]:
                if before not in reached:
                    reached.add(before)
                    todo.append(before)
        return len(reached)


def _after(whole: Whole, actor: int, taken: Taken) -> tuple[str, Whole, str | None]:
    numbers, sent = whole
    label, number, more, wrong = taken
    return label, ((*numbers[:actor], number, *numbers[actor + 1 :]), sent | more), wrong
