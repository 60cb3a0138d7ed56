"""The `sweep:` block: the same experiment at many points. Part of the first stage."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema

from .base import Model
from .types import Name, OneLine

POINTS_MAX = 1000
KEY_PATTERN = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
NOT_SWEPT = ("sweep", "expect", "name", "description", "system")
"""What must be the same at every point."""


def _key(value: object) -> object:
    if not isinstance(value, str) or not re.fullmatch(KEY_PATTERN, value):
        raise ValueError(f"'{value}' is not a key: write one like servers.lyon.clock.offset")
    if value.split(".")[0] in NOT_SWEPT:
        raise ValueError(f"'{value}' is the same at every point of a sweep")
    return value


def _keys(value: object) -> object:
    if value == []:
        raise ValueError("names no key: write one like servers.lyon.clock.offset")
    return [value] if isinstance(value, str) else value


_KEY_SCHEMA = {"type": "string", "pattern": KEY_PATTERN}
Key = Annotated[str, BeforeValidator(_key), WithJsonSchema({**_KEY_SCHEMA, "$comment": "key"})]
Value = Annotated[Any, WithJsonSchema({"$comment": "any value that the key may have"})]


class Axis(Model):
    """One direction of a grid: a key, and the values that it takes in turn."""

    name: Name = Field(description="what it is called in results and in `expect`")
    key: Annotated[
        Annotated[tuple[Key, ...], Field(max_length=50)],
        BeforeValidator(_keys),
        WithJsonSchema({"anyOf": [_KEY_SCHEMA, {"type": "array", "items": _KEY_SCHEMA}]}),
    ] = Field(
        description="what is set, written as for `--set`: `servers.lyon.clock.offset`; several "
        "keys are all given the same value"
    )
    values: tuple[Value, ...] = Field(
        min_length=1, max_length=POINTS_MAX, description="what it is set to, one after the other"
    )


Settings = Annotated[
    dict[Key, Any],
    Field(min_length=1, max_length=100),
    WithJsonSchema({"type": "object", "minProperties": 1, "$comment": "keys with values"}),
]


class Sweep(Model):
    """Run the experiment at many points instead of once.

    Either `grid`, every combination of the axes' values with the last axis changing fastest, or
    `points`, one by one. Everything else of the file holds at every point, `expect` too.
    """

    grid: tuple[Axis, ...] = Field(default=(), max_length=10, description="the axes")
    points: tuple[Settings, ...] = Field(
        default=(),
        max_length=POINTS_MAX,
        description="each point's own settings: `{policy: lease, phases.only.ntp: off}`",
    )
    expect: Annotated[tuple[OneLine, ...], Field(max_length=500)] = Field(
        default=(), description="expressions over all points: see the how-to"
    )
