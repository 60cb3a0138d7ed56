"""What is left of a scenario once its broken parts are taken out.

Part of the first stage. With it the checks across keys run in the same round as pydantic's, so
that a user sees everything that is wrong at once. Elements of a list move up when one before
them was taken out; `Salvaged` remembers where they stood in the file.
"""

from __future__ import annotations

import copy
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from ..errors import Problem
from .models import Scenario
from .problems import causes, path_of
from .source import Path, Source

ROUNDS_MAX = 20
# Stand-ins for what a scenario cannot be without and no check across keys asks for.
STAND_INS = {"name": "nameless"}


class Salvaged:
    """A valid `scenario` made of the sound parts of `source`; None if too little is left."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self._data = copy.deepcopy(source.data)
        self._places: dict[int, list[int]] = {}
        """id of a list in the copy -> where its elements stood in the file"""
        _number(self._data, self._places)
        self.scenario = self._make()

    def problem(self, path: Path, what: str, hint: str = "") -> Problem:
        """A problem at a path of the salvaged scenario, told at its place in the file."""
        return self.source.problem(self.in_file(path), what, hint)

    def in_file(self, path: Path) -> Path:
        """A path of the salvaged scenario as a path of the file."""
        here: Any = self._data
        result: list[str | int] = []
        for step in path:
            places = self._places.get(id(here))
            result.append(places[step] if places and isinstance(step, int) else step)
            known = isinstance(here, (dict, list)) and _has(here, step)
            here = here[step] if known else None
        return tuple(result)

    def _make(self) -> Scenario | None:
        for _ in range(ROUNDS_MAX):
            try:
                return Scenario.model_validate(self._data)
            except ValidationError as error:
                if not self._take_out(error):
                    return None
        return None

    def _take_out(self, error: ValidationError) -> bool:
        """Remove what `error` names; False if that is the scenario itself."""
        blamed: set[Path] = set()
        for detail in causes(error, self._data):
            path = path_of(detail["loc"], self._data)
            if detail["type"] == "missing" and len(path) == 1 and path[0] in STAND_INS:
                self._data[path[0]] = STAND_INS[str(path[0])]
            else:
                blamed.add(_culprit(detail, path))
        if () in blamed:
            return False
        for path in sorted(blamed, key=_order, reverse=True):
            self._remove(path)
        return True

    def _remove(self, path: Path) -> None:
        here = self._data
        for step in path[:-1]:
            if not _has(here, step):
                return
            here = here[step]
        if _has(here, path[-1]):
            del here[path[-1]]
            if isinstance(here, list):
                del self._places[id(here)][int(path[-1])]


def _culprit(detail: ErrorDetails, path: Path) -> Path:
    """The value itself, or its owner where a key is missing."""
    return path[:-1] if detail["type"] == "missing" else path


def _order(path: Path) -> tuple[tuple[bool, int | str], ...]:
    """Sorted backwards, elements go from the end of a list, so that indices stay true."""
    return tuple((isinstance(step, str), step) for step in path)


def _number(data: Any, places: dict[int, list[int]]) -> None:
    if isinstance(data, list):
        places[id(data)] = list(range(len(data)))
        for item in data:
            _number(item, places)
    elif isinstance(data, dict):
        for item in data.values():
            _number(item, places)


def _has(here: Any, step: str | int) -> bool:
    if isinstance(here, dict):
        return step in here
    return isinstance(here, list) and isinstance(step, int) and step < len(here)
