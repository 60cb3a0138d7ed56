"""Reads a JSON object field by field and collects what is wrong with it. Used by `load`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

_REQUIRED: Any = object()
T = TypeVar("T")


class Fields:
    """One JSON object at `where` in its file.

    Every reader returns a usable value of its type; what was wrong goes to `problems` as
    `where: what`, so that one pass finds everything.
    """

    def __init__(self, document: Mapping[str, Any], where: str, problems: list[str]) -> None:
        self._document, self._where, self._problems = document, where, problems
        self._asked: set[str] = set()

    def wrong(self, key: str, what: str) -> None:
        self._problems.append(f"{self._path(key)}: {what}")

    def text(self, key: str, default: str = _REQUIRED) -> str:
        return self._take(key, default, _is_text, "a string that is not empty", "")

    def boolean(self, key: str, default: bool = _REQUIRED) -> bool:
        return self._take(key, default, lambda v: isinstance(v, bool), "true or false", False)

    def integer(self, key: str, least: int | None = None, default: int = _REQUIRED) -> int:
        expected = "an integer" if least is None else f"an integer of at least {least}"

        def fits(value: Any) -> bool:
            return _is_integer(value) and (least is None or value >= least)

        return self._take(key, default, fits, expected, least or 0)

    def positive(self, key: str) -> float:
        def fits(value: Any) -> bool:
            return _is_number(value) and value > 0

        return float(self._take(key, _REQUIRED, fits, "a number above 0", 1.0))

    def share(self, key: str) -> float:
        def fits(value: Any) -> bool:
            return _is_number(value) and 0 <= value <= 1

        return float(self._take(key, _REQUIRED, fits, "a number from 0 to 1", 1.0))

    def mapping(self, key: str) -> Mapping[str, Any]:
        def fits(value: Any) -> bool:
            return isinstance(value, dict) and len(value) > 0

        empty: dict[str, Any] = {}
        return self._take(key, _REQUIRED, fits, "an object that is not empty", empty)

    def objects(self, key: str) -> Iterator[Fields]:
        """The objects in a list that must hold at least one."""

        def fits(value: Any) -> bool:
            return isinstance(value, list) and len(value) > 0

        nothing: list[Any] = []
        items = self._take(key, _REQUIRED, fits, "a list that is not empty", nothing)
        for index, item in enumerate(items):
            if isinstance(item, dict):
                yield Fields(item, f"{self._path(key)}[{index}]", self._problems)
            else:
                self.wrong(f"{key}[{index}]", f"expected an object, got {item!r}")

    def no_others(self) -> None:
        """Complain about every key that nobody asked for."""
        for key in self._document:
            if key not in self._asked:
                self.wrong(key, f"unknown key, known are {', '.join(sorted(self._asked))}")

    def _take(
        self, key: str, default: T, fits: Callable[[Any], bool], expected: str, instead: T
    ) -> T:
        self._asked.add(key)
        if key not in self._document:
            if default is not _REQUIRED:
                return default
            self.wrong(key, f"missing, expected {expected}")
            return instead
        value = self._document[key]
        if not fits(value):
            self.wrong(key, f"expected {expected}, got {value!r}")
            return instead
        taken: T = value
        return taken

    def _path(self, key: str) -> str:
        return f"{self._where}.{key}" if self._where else key


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def _is_integer(value: Any) -> bool:
    # True and False are integers to Python, not to whoever writes JSON.
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    is_float = isinstance(value, float) and math.isfinite(value)
    return is_float or _is_integer(value)
