"""Frozen dataclasses to JSON values and back, checked: for the wire, snapshots and the database.

Knows what the core is made of: dataclasses, `int`, `str`, `bool`, None, enums of strings, tuples,
frozensets and mappings. Anything else, missing, unknown or of a wrong type raises `BadValueError`
naming the place.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import re
import types
import typing
import urllib.parse
from collections.abc import Mapping
from functools import cache
from typing import Any, TypeVar

from .ticket import BadValueError

T = TypeVar("T")

_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""JSON can say it, but neither a line nor the database can take it."""
_SAFE = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in "%^~")


def plain(value: Any) -> Any:
    """A value that `json.dumps` takes. Mappings become sorted lists of pairs, sets sorted lists."""
    if dataclasses.is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, Mapping):
        return [[plain(key), plain(value[key])] for key in sorted(value)]
    if isinstance(value, frozenset):
        return sorted(plain(item) for item in value)
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return value


def text_of(value: Any) -> str:
    """`plain` as canonical JSON: equal values give equal texts."""
    return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def wire_text(value: Any) -> str:
    """`text_of` as it stands in a line: printable ASCII without Airplug's separators."""
    return quote(text_of(value))


def quote(text: str) -> str:
    """Percent-encode `%`, `^`, `~`, control characters and whatever is not ASCII."""
    return urllib.parse.quote(text, safe=_SAFE)


def restore(type_: type[T], value: Any, where: str = "") -> T:
    """The `type_` that `plain` made `value` from; raises `BadValueError`."""
    return typing.cast(T, _restore(type_, value, where or type_.__name__))


def _restore(type_: Any, value: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin in (types.UnionType, typing.Union):
        return _restore_union(arguments, value, where)
    if dataclasses.is_dataclass(type_):
        return _restore_dataclass(type_, value, where)
    if isinstance(type_, type) and issubclass(type_, enum.Enum):
        return _built(type_, {"value": value}, where)
    if origin is tuple:
        return tuple(_restore(arguments[0], item, where) for item in _list(value, where))
    if origin is frozenset:
        return frozenset(_restore(arguments[0], item, where) for item in _list(value, where))
    if origin is not None and issubclass(origin, Mapping):
        pairs = [_list(pair, where, length=2) for pair in _list(value, where)]
        return {
            _restore(arguments[0], key, where): _restore(arguments[1], item, f"{where}[{key}]")
            for key, item in pairs
        }
    if type(value) is not type_:
        raise BadValueError(f"{where}: expected {type_.__name__}, got {type(value).__name__}")
    if type_ is str and _LONE_SURROGATE.search(value):
        raise BadValueError(f"{where}: no text that can be written down")
    return value


def _restore_union(choices: tuple[Any, ...], value: Any, where: str) -> Any:
    """One type or None: the only unions there are."""
    if value is None and type(None) in choices:
        return None
    (chosen,) = [choice for choice in choices if choice is not type(None)]
    return _restore(chosen, value, where)


def _restore_dataclass(type_: Any, value: Any, where: str) -> Any:
    if not isinstance(value, dict):
        raise BadValueError(f"{where}: expected an object, got {type(value).__name__}")
    wanted = field_types(type_)
    if value.keys() != wanted.keys():
        odd = sorted(map(str, value.keys() ^ wanted.keys()))
        raise BadValueError(f"{where}: missing or unknown: {', '.join(odd)}")
    fields = {name: _restore(wanted[name], value[name], f"{where}.{name}") for name in wanted}
    return _built(type_, fields, where)


def _built(type_: type[Any], fields: dict[str, Any], where: str) -> Any:
    try:
        return type_(**fields)
    except (ValueError, OverflowError) as error:
        raise BadValueError(f"{where}: {error}") from error


def _list(value: Any, where: str, length: int | None = None) -> list[Any]:
    if not isinstance(value, list) or length not in (None, len(value)):
        raise BadValueError(f"{where}: expected a list")
    return value


@cache
def field_types(type_: Any) -> dict[str, Any]:
    """The types of a dataclass's fields, by name."""
    hints = typing.get_type_hints(type_)
    return {field.name: hints[field.name] for field in dataclasses.fields(type_)}
