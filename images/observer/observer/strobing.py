"""Moves a strobe's wall clock away from home and back, exactly as often as it should.

Used by `faults` and `driving`, under the lock of the clock's `HeldFile`. A jump is announced in
the file, done to the page, then noted as done. Whoever is killed in between leaves the
announcement; who comes next sees on the clock whether it was done.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from .holding import Held, HeldFile, Jump
from .pages import raw_ns


class Steppable(Protocol):
    """What strobing needs of a clock page."""

    def read(self, raw: int) -> int: ...

    def step(self, by_ns: int) -> int: ...


def come_home(page: Steppable, file: HeldFile, held: Held) -> Held:
    """The clock is where it would be without a strobe; what is held then."""
    return move(page, file, held, 0)


def move(page: Steppable, file: HeldFile, held: Held, to_ns: int) -> Held:
    """The clock is `to_ns` from home; what is held then."""
    held = _finish(page, file, held)
    if held.out_ns == to_ns:
        return held
    file.write(replace(held, jump=Jump(to_ns, _ahead_ns(page))))
    page.step(to_ns - held.out_ns)
    return _note(file, held, to_ns)


def _finish(page: Steppable, file: HeldFile, held: Held) -> Held:
    """Do a jump that was announced if the clock does not show that it was done."""
    if held.jump is None:
        return held
    by_ns = held.jump.to_ns - held.out_ns
    moved_ns = _ahead_ns(page) - held.jump.before_ns
    if abs(moved_ns) <= abs(moved_ns - by_ns):
        page.step(by_ns)
    return _note(file, held, held.jump.to_ns)


def _note(file: HeldFile, held: Held, out_ns: int) -> Held:
    held = replace(held, out_ns=out_ns, jump=None)
    file.write(held)
    return held


def _ahead_ns(page: Steppable) -> int:
    raw = raw_ns()
    return page.read(raw) - raw
