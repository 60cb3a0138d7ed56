"""Airplug's term mode: one message per line on stdin and stdout.

Three header modes, as the framework's options name them; BEL stands between header fields and
none after the payload. Read about Airplug at its authors'; nothing of theirs is in here.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from .ticket import BadValueError

BEL = "\x07"
EVERY_APP = "ALL"
_APP = re.compile(r"[A-Z]{3}")


class Zone(enum.Enum):
    """Where a message goes: this node's applications, the neighbors', or both."""

    LOCAL = "LCH"
    AIR = "AIR"
    ALL = "ALL"


class HeaderMode(enum.Enum):
    WHAT = "what"
    WHATWHO = "whatwho"
    WHATWHOWHERE = "whatwhowhere"


@dataclass(frozen=True, slots=True)
class Header:
    """Sender's and destination's application (three capital letters), and the zone."""

    source: str
    destination: str
    zone: Zone = Zone.AIR

    def __post_init__(self) -> None:
        for name in (self.source, self.destination):
            if not _APP.fullmatch(name):
                raise BadValueError(f"application {name!r}: three capital letters")


def frame(payload: str, mode: HeaderMode, header: Header) -> str:
    """The line, without its newline."""
    match mode:
        case HeaderMode.WHAT:
            return payload
        case HeaderMode.WHATWHO:
            fields = [header.source, header.destination, payload]
        case HeaderMode.WHATWHOWHERE:
            fields = [header.source, header.destination, header.zone.value, payload]
    return BEL + BEL.join(fields)


def unframe(line: str, mode: HeaderMode) -> tuple[Header | None, str]:
    """Header (None in mode `what`) and payload. Raises `BadValueError`."""
    if mode is HeaderMode.WHAT:
        if BEL in line:
            raise BadValueError("a header, where none is expected")
        return None, line
    count = 4 if mode is HeaderMode.WHATWHO else 5
    fields = line.split(BEL)
    if len(fields) != count or fields[0]:
        raise BadValueError(f"not {count - 1} fields after a BEL")
    try:
        zone = Zone(fields[3]) if mode is HeaderMode.WHATWHOWHERE else Zone.AIR
    except ValueError as error:
        raise BadValueError(f"zone {fields[3]!r}: LCH, AIR or ALL") from error
    return Header(fields[1], fields[2], zone), fields[-1]


@dataclass(frozen=True, slots=True)
class Subscriptions:
    """Whose messages are taken: `begun` are applications and the zone that theirs come from."""

    own: str
    begun: frozenset[tuple[str, Zone]]

    def accept(self, header: Header, mode: HeaderMode) -> bool:
        """Whether a line under `header` is for this application. Without zones, any will do."""
        if header.destination not in (self.own, EVERY_APP):
            return False
        zones = {zone for app, zone in self.begun if app == header.source}
        if mode is not HeaderMode.WHATWHOWHERE or Zone.ALL in (header.zone, *zones):
            return bool(zones)
        return header.zone in zones


def read_subscription(text: str) -> tuple[str, Zone]:
    """`APP`, `APP:air`, `APP:lch` or `APP:all`; air when it does not say. Raises
    `BadValueError`."""
    app, _, zone = text.partition(":")
    zones = {"air": Zone.AIR, "lch": Zone.LOCAL, "all": Zone.ALL, "": Zone.AIR}
    if not _APP.fullmatch(app):
        raise BadValueError(f"application {app!r}: three capital letters")
    if zone not in zones:
        raise BadValueError(f"zone {zone!r}: air, lch or all")
    return app, zones[zone]
