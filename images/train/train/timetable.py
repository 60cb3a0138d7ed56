"""A timetable as CSV, in GTFS's manner: one line a departure, with the seats it has to sell.

Columns: `stop_from`, `stop_to`, `departure_date` (YYYYMMDD), `departure_time` (HH:MM:SS, which may
pass 24:00:00 as GTFS's do), `timezone` (IANA), `fare_price` (may be empty), `seats` (default 1).
Pure: text in, rows out, and back.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TypedDict
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from .ticket import NS, BadValueError, Ticket

COLUMNS = (
    "stop_from", "stop_to", "departure_date", "departure_time", "timezone", "fare_price", "seats",
)  # fmt: skip
SEATS_MAX = 10_000
_HALF_DAY_S = 12 * 3600
_TIME = re.compile(r"(\d{1,2}):([0-5]\d):([0-5]\d)")
_PRICE = re.compile(r"(\d{1,7})(?:\.(\d{2}))?")


class Row(TypedDict):
    """What a ticket is made of; see `commands.create_ticket`."""

    departure_ns: int
    zone: str
    origin: str
    destination: str
    price_cents: int | None


def read(text: str) -> list[Row]:
    """A row for every seat. Raises `BadValueError` naming the line; extra columns are ignored."""
    reader = csv.DictReader(io.StringIO(text.lstrip("\ufeff")), restval="")
    rows: list[Row] = []
    try:
        missing = set(COLUMNS[:5]) - set(reader.fieldnames or ())
        if missing:
            raise BadValueError(f"no column {', '.join(sorted(missing))}")
        for line in reader:
            rows += _rows(line)
    except (BadValueError, csv.Error) as error:
        raise BadValueError(f"line {max(1, reader.line_num)}: {error}") from error
    return rows


def write(tickets: Iterable[Ticket]) -> str:
    """CSV that `read` reads again; equal departures are one line with their seats counted."""
    seats: dict[tuple[str, ...], int] = {}
    for ticket in tickets:
        day, time = _service_time(ticket)
        price = "" if ticket.price_cents is None else _price(ticket.price_cents)
        key = (
            ticket.origin, ticket.destination, day, time, ticket.zone, price,
        )  # fmt: skip
        seats[key] = seats.get(key, 0) + 1
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows((*key, count) for key, count in seats.items())
    return out.getvalue()


def _rows(line: dict[str, str]) -> list[Row]:
    seats_text = (line.get("seats") or "1").strip()
    if not seats_text.isdecimal() or not 0 <= int(seats_text) <= SEATS_MAX:
        raise BadValueError(f"seats {seats_text!r}: 0 to {SEATS_MAX}")
    zone = (line["timezone"] or "").strip()
    departure_ns = _departure_ns(line["departure_date"], line["departure_time"], zone)
    origin, destination = line["stop_from"].strip(), line["stop_to"].strip()
    price_cents = _price_cents((line.get("fare_price") or "").strip())
    # Refused here, with its line, rather than when the first of them is made.
    Ticket(1, departure_ns, zone, origin, destination, "office", price_cents)
    row = Row(
        departure_ns=departure_ns, zone=zone, origin=origin, destination=destination,
        price_cents=price_cents,
    )  # fmt: skip
    return [row] * int(seats_text)


def _departure_ns(day: str, time: str, zone: str) -> int:
    """GTFS counts a time from noon minus twelve hours, so that it may pass midnight."""
    match = _TIME.fullmatch(time.strip())
    if match is None:
        raise BadValueError(f"departure_time {time!r}: HH:MM:SS")
    hours, minutes, seconds = map(int, match.groups())
    try:
        noon = datetime.strptime(f"{day.strip()} 12", "%Y%m%d %H").replace(tzinfo=ZoneInfo(zone))
    except (ZoneInfoNotFoundError, OSError) as error:
        raise BadValueError(f"timezone {zone!r} is unknown") from error
    except ValueError as error:
        raise BadValueError(f"departure_date {day!r}: YYYYMMDD") from error
    after = timedelta(hours=hours - 12, minutes=minutes, seconds=seconds)
    return (int(noon.timestamp()) + int(after.total_seconds())) * NS


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"


def _service_time(ticket: Ticket) -> tuple[str, str]:
    """Day and time as `_departure_ns` reads them. On a day that the clocks change they are not the
    hands' time; what departs before such a day's time begins belongs to the day before."""
    day = ticket.departure.replace(hour=12, minute=0, second=0, microsecond=0, fold=0)
    after_s = ticket.departure_ns // NS - int(day.timestamp()) + _HALF_DAY_S
    if after_s < 0:
        day -= timedelta(days=1)
        after_s = ticket.departure_ns // NS - int(day.timestamp()) + _HALF_DAY_S
    time = f"{after_s // 3600:02}:{after_s // 60 % 60:02}:{after_s % 60:02}"
    return f"{day:%Y%m%d}", time


def _price_cents(text: str) -> int | None:
    if not text:
        return None
    match = _PRICE.fullmatch(text)
    if match is None:
        raise BadValueError(f"fare_price {text!r}: like 29 or 29.90")
    return int(match[1]) * 100 + int(match[2] or 0)
