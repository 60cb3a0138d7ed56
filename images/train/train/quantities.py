"""Quantities as people write them: durations with a unit, days and times with a zone. Pure."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .ticket import NS, BadValueError

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(us|ms|s|min|h)")
_UNIT_NS = {"us": 1_000, "ms": 1_000_000, "s": NS, "min": 60 * NS, "h": 3600 * NS}
_PRICE = re.compile(r"(\d{1,7})(?:\.(\d{2}))?")


def duration_ns(text: str) -> int:
    """`5s`, `500ms`, `1.5min`. Raises `BadValueError`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        hint = f"has no unit: write {text}s or {text}ms" if text.isdecimal() else "is no duration"
        raise BadValueError(f"{text!r} {hint}")
    return round(float(match[1]) * _UNIT_NS[match[2]])


def departure_ns(text: str, zone: str) -> int:
    """Local time at `zone`, as `2026-12-24T08:30`, in ns since 1970. Raises `BadValueError`."""
    try:
        local = datetime.fromisoformat(text)
        place = ZoneInfo(zone)
    except (ZoneInfoNotFoundError, OSError) as error:
        raise BadValueError(f"time zone {zone!r} is unknown") from error
    except ValueError as error:
        raise BadValueError(f"{text!r}: write a departure as 2026-12-24T08:30") from error
    if local.tzinfo is not None:
        raise BadValueError(f"{text!r}: leave the offset away, --zone says where it is")
    return int(local.replace(tzinfo=place).timestamp()) * NS


def price_cents(text: str) -> int:
    """`29` or `29.90`. Raises `BadValueError`."""
    match = _PRICE.fullmatch(text)
    if match is None:
        raise BadValueError(f"price {text!r}: like 29 or 29.90")
    return int(match[1]) * 100 + int(match[2] or 0)
