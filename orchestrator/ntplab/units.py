"""Quantities as people write them (`500ms`, `50ppm`, `5/s`) and as the code holds them.

Imported by every stage, imports none. Durations are exact integers of nanoseconds: the text
goes through `Decimal`, never through a binary float.
"""

from __future__ import annotations

import re
from decimal import Decimal

NS_PER_US = 1_000
NS_PER_MS = 1_000_000
NS_PER_S = 1_000_000_000

DURATION_UNITS_NS = {
    "ns": 1,
    "us": NS_PER_US,
    "µs": NS_PER_US,
    "ms": NS_PER_MS,
    "s": NS_PER_S,
    "m": 60 * NS_PER_S,
    "min": 60 * NS_PER_S,
    "h": 3_600 * NS_PER_S,
    "d": 86_400 * NS_PER_S,
}
RATE_UNITS_S = {"s": 1, "m": 60, "h": 3_600}

DURATION_PATTERN = r"^[+-]?[0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|min|h|d)$"
PPM_PATTERN = r"^[+-]?[0-9]+(\.[0-9]+)?ppm$"
RATE_PATTERN = r"^[0-9]+(\.[0-9]+)?/(s|m|h)$"

_QUANTITY = re.compile(r"([+-]?[0-9]{1,30}(?:\.[0-9]{1,30})?)\s*(\D*)")


def parse_duration_ns(text: object) -> int:
    """`500ms`, `-5s`, `2m`, `1h`, `250us` or `0` in nanoseconds; ValueError says what is wrong."""
    number, unit = _split(text, "a duration", "500ms or -5s")
    if unit not in DURATION_UNITS_NS:
        if not unit and number == 0:
            return 0
        advice = f"write {number:f}s or {number:f}ms"
        raise ValueError(_unit_error(text, unit, advice, "ns us ms s m h d"))
    value_ns = number * DURATION_UNITS_NS[unit]
    if value_ns != value_ns.to_integral_value():
        raise ValueError(f"'{text}' is finer than a nanosecond")
    return int(value_ns)


def parse_ppm(text: object) -> float:
    """`50ppm`, `-0.5ppm` or `0` in parts per million."""
    number, unit = _split(text, "a frequency error", "50ppm or -0.5ppm")
    if unit != "ppm" and (unit or number != 0):
        raise ValueError(_unit_error(text, unit, f"write {number:f}ppm", "ppm"))
    return float(number)


def parse_rate_hz(text: object) -> float:
    """`5/s`, `30/m` or `100/h` in events per second; a rate is never negative."""
    number, unit = _split(text, "a rate", "5/s or 30/m")
    if not unit.startswith("/") or unit[1:] not in RATE_UNITS_S:
        raise ValueError(_unit_error(text, unit, f"write {number:f}/s or {number:f}/m", "/s /m /h"))
    if number < 0:
        raise ValueError(f"'{text}' is negative")
    return float(number / RATE_UNITS_S[unit[1:]])


def format_duration(value_ns: int) -> str:
    """The shortest exact text: `1500000000` is `1.5s`; `parse_duration_ns` gives it back."""
    if value_ns == 0:
        return "0s"
    for unit in ("d", "h", "m"):
        if value_ns % DURATION_UNITS_NS[unit] == 0:
            return f"{value_ns // DURATION_UNITS_NS[unit]}{unit}"
    unit = next(u for u in ("s", "ms", "us", "ns") if abs(value_ns) >= DURATION_UNITS_NS[u])
    return f"{_plain(Decimal(value_ns) / DURATION_UNITS_NS[unit])}{unit}"


def format_ppm(value_ppm: float) -> str:
    """`50.0` is `50ppm`; `parse_ppm` gives it back."""
    return f"{_plain(Decimal(repr(value_ppm)))}ppm"


def format_rate(rate_hz: float) -> str:
    """`5.0` is `5/s`."""
    return f"{_plain(Decimal(repr(rate_hz)))}/s"


def _split(text: object, what: str, example: str) -> tuple[Decimal, str]:
    match = None
    if isinstance(text, (str, int, float)) and not isinstance(text, bool):
        match = _QUANTITY.fullmatch(str(text).strip())
    if match is None:
        raise ValueError(f"{_quoted(text)} is not {what}: write one like {example}")
    return Decimal(match[1]), match[2].strip()


def _unit_error(text: object, unit: str, advice: str, units: str) -> str:
    if not unit:
        return f"'{text}' has no unit: {advice}"
    return f"'{text}' has an unknown unit '{unit}': use one of {units}"


def _quoted(value: object) -> str:
    return "nothing" if value is None else f"'{value}'"


def _plain(number: Decimal) -> str:
    """Decimal notation without exponent and without trailing zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
