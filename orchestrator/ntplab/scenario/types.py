"""Quantities, names and switches of a scenario as pydantic types with limits.

Part of the first stage. Each type takes what a person writes, holds what `units` makes of it,
and describes itself in the JSON Schema as the person's text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Strict, WithJsonSchema

from .. import units
from ..units import NS_PER_MS, NS_PER_S, NS_PER_US

HOUR_NS = 3_600 * NS_PER_S
DAY_NS = 24 * HOUR_NS
NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,30}[a-z0-9])?$"


def _quantity(
    parse: Callable[[object], Any],
    show: Callable[[Any], str],
    pattern: str,
    least: float,
    most: float,
    kind: str,
) -> tuple[BeforeValidator, WithJsonSchema]:
    def validate(text: object) -> Any:
        value = parse(text)
        if not least <= value <= most:
            raise ValueError(f"must be from {show(least)} to {show(most)}, not {text}")
        return value

    schema: dict[str, Any] = {"type": "string", "pattern": pattern}
    if kind != "rate":
        schema = {"anyOf": [schema, {"const": 0}]}
    limits = f"{kind} from {show(least)} to {show(most)}"
    return BeforeValidator(validate), WithJsonSchema({**schema, "$comment": limits})


def _duration(least_ns: int, most_ns: int) -> tuple[BeforeValidator, WithJsonSchema]:
    return _quantity(
        units.parse_duration_ns,
        units.format_duration,
        units.DURATION_PATTERN,
        least_ns,
        most_ns,
        "duration",
    )


def _name(value: object) -> object:
    if isinstance(value, str) and not re.fullmatch(NAME_PATTERN, value):
        raise ValueError(
            f"'{value}' is not a name: use up to 32 of a-z, 0-9 and '-', starting with a letter"
        )
    return value


def _switch(value: object) -> object:
    """YAML 1.1 tools write `off` and `on` as booleans; both spellings are meant alike."""
    return {True: "on", False: "off"}.get(value, value) if isinstance(value, bool) else value


def _clock_state(value: object) -> object:
    return "true" if value is True else value


def _one_line(value: object) -> object:
    if isinstance(value, str) and (not value.strip() or not value.isprintable()):
        raise ValueError("must be exactly one line of text")
    return value


Whole = Annotated[int, Strict()]
Number = Annotated[float, Strict()]
Flag = Annotated[bool, Strict()]
Name = Annotated[
    str, BeforeValidator(_name), WithJsonSchema({"type": "string", "pattern": NAME_PATTERN})
]
OneLine = Annotated[str, BeforeValidator(_one_line)]

Offset = Annotated[int, *_duration(-3650 * DAY_NS, 3650 * DAY_NS)]
"""ns, either sign"""
PhaseLength = Annotated[int, *_duration(NS_PER_S // 10, DAY_NS)]
"""ns"""
Wait = Annotated[int, *_duration(0, HOUR_NS)]
"""ns, zero allowed"""
Timeout = Annotated[int, *_duration(NS_PER_MS, HOUR_NS)]
"""ns"""
Accuracy = Annotated[int, *_duration(NS_PER_US, HOUR_NS)]
"""ns"""
FaultTime = Annotated[int, *_duration(0, DAY_NS)]
"""ns after the load window begins"""
Uptime = Annotated[int, *_duration(0, 3650 * DAY_NS)]
"""ns"""
Drift = Annotated[
    float,
    *_quantity(
        units.parse_ppm, units.format_ppm, units.PPM_PATTERN, -100_000.0, 100_000.0, "drift"
    ),
]
"""ppm"""
Excursion = Annotated[
    float,
    *_quantity(units.parse_ppm, units.format_ppm, units.PPM_PATTERN, 0.0, 100_000.0, "drift"),
]
"""ppm, zero allowed"""
TemperaturePeriod = Annotated[int, *_duration(NS_PER_S, 366 * DAY_NS)]
"""ns"""
TemperaturePhase = Annotated[int, *_duration(0, 366 * DAY_NS)]
"""ns"""
StrobePeriod = Annotated[int, *_duration(20 * NS_PER_MS, DAY_NS)]
"""ns"""
StrobeLength = Annotated[int, *_duration(NS_PER_MS, DAY_NS)]
"""ns"""
SlewRate = Annotated[
    float,
    *_quantity(units.parse_ppm, units.format_ppm, units.PPM_PATTERN, 0.001, 100_000.0, "rate"),
]
"""ppm"""
Rate = Annotated[
    float,
    *_quantity(units.parse_rate_hz, units.format_rate, units.RATE_PATTERN, 0.001, 10_000.0, "rate"),
]
"""events per second"""

NtpSwitch = Annotated[
    Literal["on", "off", "keep"],
    BeforeValidator(_switch),
    WithJsonSchema({"enum": ["on", "off", "keep", True, False]}),
]
ClockState = Annotated[
    Literal["true", "skewed", "keep"],
    BeforeValidator(_clock_state),
    WithJsonSchema({"enum": ["true", "skewed", "keep", True]}),
]
NtpMethod = Literal["daemon", "network", "sources"]
NtpDaemon = Literal["chrony", "ntpsec", "openntpd", "timesyncd"]
