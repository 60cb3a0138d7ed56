"""What is asked of a clock's oscillator, in a file beside its page: `oscillator.json`.

One-shot commands write it, the main process goes by it. It lives as long as the page, and is
replaced in one step under a lock that the kernel releases when its holder dies: whoever is
killed wherever leaves either what was asked before or what is asked now.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from .oscillator import Strobe, Temperature, Wander, sum_scaled

FILE_NAME = "oscillator.json"
LOCKED_WITHIN_S = 5.0
PAUSE_S = 0.005


class HoldingError(Exception):
    """The file cannot be used, or not in time; says which and why."""


class BusyError(HoldingError):
    """Another process holds the lock."""


@dataclass(frozen=True)
class Jump:
    """A strobe's jump that is under way: `to_ns` from home, divergence `before_ns` before it."""

    to_ns: int
    before_ns: int


@dataclass(frozen=True)
class Held:
    """What an oscillator has to do, and how far that has come."""

    drift_ppm: float = 0.0
    wander: Wander | None = None
    temperature: Temperature | None = None
    strobe: Strobe | None = None
    generation: int = 0
    """how often something else was asked of it"""
    taken_up: int = 0
    """the generation that the main process goes by"""
    out_ns: int = 0
    """how far from home the strobe has moved the wall clock"""
    jump: Jump | None = None

    @property
    def moves(self) -> bool:
        """Whether it changes by itself, so that the main process has to see to it."""
        return any((self.wander, self.temperature, self.strobe, self.out_ns, self.jump))

    def scaled(self, lab_ns: int) -> int:
        """The oscillator's error in the step of `lab_ns`, in 2^-16 ppm."""
        return sum_scaled(self.drift_ppm, self.wander, self.temperature, lab_ns)

    def models(self) -> Mapping[str, Any]:
        """What is asked, as plain data; null for what is not."""
        parts = (self.wander, self.temperature, self.strobe)
        wander, temperature, strobe = (asdict(part) if part else None for part in parts)
        return {
            "constant_ppm": self.drift_ppm,
            "wander": wander,
            "temperature": temperature,
            "strobe": strobe,
        }


_PARTS = {"wander": Wander, "temperature": Temperature, "strobe": Strobe, "jump": Jump}


@lru_cache(maxsize=128)
def parse_held(text: str) -> Held:
    """The content of the file. Raises `ValueError` if it is none of ours."""
    try:
        document = json.loads(text)
        parts = {
            key: kind(**document[key]) if document[key] is not None else None
            for key, kind in _PARTS.items()
        }
        return Held(**{**document, **parts})
    except (TypeError, KeyError) as error:
        raise ValueError(f"not what was asked of an oscillator: {error}") from None


@dataclass(frozen=True)
class HeldFile:
    """The file of one clock."""

    path: Path

    @classmethod
    def beside(cls, page: Path) -> HeldFile:
        return cls(page.with_name(FILE_NAME))

    def read(self) -> Held | None:
        """What is asked; None if nothing ever was. Raises `HoldingError`."""
        try:
            return parse_held(self.path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except ValueError as error:
            raise HoldingError(f"{self.path}: {error}") from None

    def write(self, held: Held) -> None:
        """Replace what is asked, in one step. Only under the lock."""
        unfinished = self.path.with_name(f"{FILE_NAME}.new")
        unfinished.write_text(json.dumps(asdict(held)), encoding="utf-8")
        unfinished.replace(self.path)

    @contextmanager
    def locked(self, within_s: float = LOCKED_WITHIN_S) -> Iterator[None]:
        """Keep all others from changing it. Raises `BusyError` if one does for too long."""
        directory = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._take(directory, within_s)
            yield
        finally:
            os.close(directory)  # which gives the lock back

    def _take(self, directory: int, within_s: float) -> None:
        deadline = time.monotonic() + within_s
        while True:
            try:
                return fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    what = f"another command has been at it for {within_s:g} s"
                    raise BusyError(f"{self.path}: {what}") from None
            time.sleep(PAUSE_S)

    def wait_until_taken_up(self, generation: int, within_s: float = LOCKED_WITHIN_S) -> None:
        """Return when the main process goes by this generation, or a later one.

        Raises `HoldingError` if it does not.
        """
        deadline = time.monotonic() + within_s
        while (held := self.read()) is None or held.taken_up < generation:
            if time.monotonic() >= deadline:
                what = f"the observer's main process did not take it up within {within_s:g} s"
                raise HoldingError(f"{self.path}: {what}: is `ntplab-observer run` there?")
            time.sleep(PAUSE_S)


def asked_anew(held: Held, **changes: Any) -> Held:
    """`held` with something else asked of it."""
    return replace(held, generation=held.generation + 1, **changes)
