"""Lets every clock's oscillator do over time what is asked of it. Part of the main process.

On the grid of steps of 100 ms, and whenever a strobe jumps, each clock's file is read and its
page made to follow. A turn that comes late goes to where the models are by then, and says what
it missed: nothing is made up for, because the clocks did run at the old rate meanwhile, and
have been seen to.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from .config import NodeConfig
from .holding import BusyError, Held, HeldFile, HoldingError
from .oscillator import NS_PER_S, SCALED_PER_PPM, STEP_NS
from .output import Emit
from .pages import ClockPage, PageError
from .strobing import Steppable, move

Document = Mapping[str, Any]

AT_ONCE_S = 0.0
"""A clock that a command is at work on is not waited for,"""
AGAIN_NS = 5_000_000
"""but looked at again soon;"""
BUSY_NS = NS_PER_S
"""that it takes longer than this is worth telling."""


class Drivable(Steppable, Protocol):
    """What driving needs of a clock page."""

    def set_drift(self, ppm: float) -> int: ...


@dataclass
class Driven:
    """One clock: what it is at."""

    node: str
    page: Drivable
    file: HeldFile
    generation: int | None = None
    scaled: int | None = None
    """what was set last; None: nothing yet, or somebody else set it since"""
    step: int | None = None
    """the last step that it followed"""
    busy_since_ns: int | None = None
    trouble: str | None = None

    def turn(self, lab_ns: int, emit: Emit) -> int:
        """Follow what is asked at `lab_ns`; when it has to be looked at again."""
        following_ns = (lab_ns // STEP_NS + 1) * STEP_NS
        held, told = None, list[Document]()
        try:
            with self.file.locked(AT_ONCE_S):
                held = self._follow(lab_ns, told.append)
            self.trouble = self.busy_since_ns = None
        except BusyError as error:
            following_ns = lab_ns + AGAIN_NS
            self.busy_since_ns = self.busy_since_ns or lab_ns
            if lab_ns - self.busy_since_ns >= BUSY_NS:
                self._tell_trouble(str(error), lab_ns, told.append)
        except (HoldingError, PageError, OSError) as error:
            self._tell_trouble(str(error), lab_ns, told.append)
        for document in told:  # unlocked: whoever reads them may take its time
            emit(document)
        if held is None or held.strobe is None:
            return following_ns
        return min(following_ns, held.strobe.next_turn_ns(lab_ns))

    def _follow(self, lab_ns: int, emit: Emit) -> Held | None:
        held = self.file.read()
        if held is None:
            return None
        if held.generation != self.generation:
            held = self._take_up(held, lab_ns, emit)
        self._follow_rate(held, lab_ns, emit)
        return self._follow_strobe(held, lab_ns, emit)

    def _take_up(self, held: Held, lab_ns: int, emit: Emit) -> Held:
        self.generation, self.scaled, self.step = held.generation, None, None
        if held.taken_up != held.generation:
            held = replace(held, taken_up=held.generation)
            self.file.write(held)
        emit(in_force_document(self.node, held, lab_ns))
        return held

    def _follow_rate(self, held: Held, lab_ns: int, emit: Emit) -> None:
        step = lab_ns // STEP_NS
        if self.step is not None and step - self.step > 1 and (held.wander or held.temperature):
            emit(late_document(self.node, lab_ns, step - self.step - 1))
        self.step = step
        scaled = held.scaled(lab_ns)
        if scaled != self.scaled:
            self.page.set_drift(scaled / SCALED_PER_PPM)
            self.scaled = scaled

    def _follow_strobe(self, held: Held, lab_ns: int, emit: Emit) -> Held:
        strobe = held.strobe
        held = move(self.page, self.file, held, strobe.displacement_ns(lab_ns) if strobe else 0)
        if strobe is not None and strobe.is_over(lab_ns):
            held = replace(held, strobe=None)
            self.file.write(held)
            emit(in_force_document(self.node, held, lab_ns))
        return held

    def _tell_trouble(self, words: str, lab_ns: int, emit: Emit) -> None:
        """Once, however many turns it lasts."""
        if words != self.trouble:
            self.trouble = words
            emit({"t": "oscillator.trouble", "lab_ns": lab_ns, "node": self.node, "error": words})


@dataclass(frozen=True)
class Driver:
    """All clocks of a lab, in a thread of its own: samples are not held up by them."""

    clocks: tuple[Driven, ...]
    anchor_ns: int
    raw_ns: Callable[[], int]
    emit: Emit
    _stop: threading.Event = field(default_factory=threading.Event)

    @classmethod
    def of(
        cls, nodes: tuple[NodeConfig, ...], anchor_ns: int, raw_ns: Callable[[], int], emit: Emit
    ) -> Driver:
        """Raises `PageError`."""
        clocks = tuple(
            Driven(node.name, ClockPage(node.page, writable=True), HeldFile.beside(node.page))
            for node in nodes
        )
        return cls(clocks, anchor_ns, raw_ns, emit)

    def turn(self) -> int:
        """See to every clock, at one instant; lab time when the next turn is due."""
        lab_ns = self.raw_ns() + self.anchor_ns
        turns = (clock.turn(lab_ns, self.emit) for clock in self.clocks)
        return min(turns, default=lab_ns + STEP_NS)

    def start(self) -> None:
        threading.Thread(target=self._run, name="oscillators", daemon=True).start()

    def stop(self) -> None:
        self._stop.set()

    def _run(self) -> None:
        due_ns = self.turn()
        while not self._stop.wait(max(0, due_ns - self.raw_ns() - self.anchor_ns) / NS_PER_S):
            if self.raw_ns() + self.anchor_ns >= due_ns:  # a wait may end a little early
                due_ns = self.turn()


def in_force_document(node: str, held: Held, lab_ns: int) -> Document:
    """From `lab_ns` on the main process goes by this."""
    return {"t": "oscillator", "lab_ns": lab_ns, "node": node, "models": held.models()}


def late_document(node: str, lab_ns: int, steps: int) -> Document:
    """`steps` steps were missed; the oscillator stayed at what it was before."""
    seconds = steps * STEP_NS / NS_PER_S
    return {
        "t": "oscillator.late",
        "lab_ns": lab_ns,
        "node": node,
        "steps": steps,
        "seconds": seconds,
    }
