"""What every benchmark is given, and how it says that it cannot be measured here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..driver.base import Driver


class CannotMeasure(Exception):
    """Something optional is missing on this machine; the text says what, and what brings it."""


@dataclass
class Bench:
    """One call of `bench`. `make_driver` sets up engine and images: only asked for when needed."""

    make_driver: Callable[[], Driver]
    scratch: Path
    """a folder that is removed afterwards"""
    say: Callable[[str], None]
    wanted: frozenset[str] = field(default_factory=frozenset)
    """names of the benchmarks that were asked for: others of the same module need not be done"""

    @cached_property
    def driver(self) -> Driver:
        return self.make_driver()

    def tell(self, name: str, words: str) -> None:
        """Progress: one measurement."""
        self.say(f"{name}: {words}")
