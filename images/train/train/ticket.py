"""A train ticket and the wish for one, as both the office and the clients know them. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

NS = 1_000_000_000
NAME_CHARS_MAX = 40
NAME_BYTES_MAX = 120
"""Of places and holders, in UTF-8, so that a ticket fits one line of Airplug in any script."""
DEPARTURE_NS_MAX = 2**63 - 1
"""In the year 2262."""


class BadValueError(ValueError):
    """A value that nobody may send or enter; the message says which and why."""


def _check_name(name: str) -> None:
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        raise BadValueError(f"{name!r}: no text that can be written down") from error
    if not 1 <= len(name) <= NAME_CHARS_MAX or size > NAME_BYTES_MAX:
        raise BadValueError(
            f"{name!r}: names have 1 to {NAME_CHARS_MAX} characters, at most {NAME_BYTES_MAX} bytes"
        )


@dataclass(frozen=True, slots=True)
class Ticket:
    """One seat on one train. `holder` is the office or the client that owns it."""

    ticket_id: int
    departure_ns: int
    """UTC, ns since 1970."""
    zone: str
    """IANA zone of the place of departure; a wish's day is a day there."""
    origin: str
    destination: str
    holder: str
    price_cents: int | None = None

    def __post_init__(self) -> None:
        if self.ticket_id < 1:
            raise BadValueError(f"ticket number {self.ticket_id}: they start at 1")
        if self.price_cents is not None and self.price_cents < 0:
            raise BadValueError(f"price {self.price_cents}: below zero")
        if not 0 <= self.departure_ns <= DEPARTURE_NS_MAX:
            raise BadValueError(f"departure {self.departure_ns} ns: between 1970 and 2262")
        for what in (self.origin, self.destination, self.holder):
            _check_name(what)
        try:
            ZoneInfo(self.zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise BadValueError(f"time zone {self.zone!r} is unknown") from error

    @property
    def departure(self) -> datetime:
        """In the zone of the place of departure."""
        utc = datetime.fromtimestamp(self.departure_ns // NS, UTC)
        return utc.astimezone(ZoneInfo(self.zone))

    @property
    def day(self) -> date:
        return self.departure.date()


@dataclass(frozen=True, slots=True)
class Wish:
    """What a client asks for; what is None does not matter to it."""

    origin: str | None = None
    destination: str | None = None
    day: str | None = None
    """ISO date in the zone of the place of departure."""
    ticket_id: int | None = None

    def __post_init__(self) -> None:
        for place in (self.origin, self.destination):
            if place is not None:
                _check_name(place)
        if self.day is not None and not _is_day(self.day):
            raise BadValueError(f"day {self.day!r}: write it as 2026-12-24")

    def fits(self, ticket: Ticket) -> bool:
        return (
            self.origin in (None, ticket.origin)
            and self.destination in (None, ticket.destination)
            and self.ticket_id in (None, ticket.ticket_id)
            and (self.day is None or self.day == ticket.day.isoformat())
        )


def _is_day(text: str) -> bool:
    """Whether it is a date, in the one way of writing it that days are compared in."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
