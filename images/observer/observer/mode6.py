"""What ntpsec's ntpd believes about its clock, asked by control messages (mode 6) over UDP.

The message is RFC 9327's: a header of 12 bytes, six fields of 16 bits, network order.

    0 LI/VN/mode and R E M opcode   2 sequence   4 status   6 association   8 offset   10 count

Read variables (opcode 2) of association 0, the system's: text, `name=value` with commas between.
Times are in milliseconds, frequencies in ppm. `offset` is the correction that ntpd found at its
last update, > 0 when the clock was slow; it is turned around here as `belief.py` does. ntpsec
does not extrapolate it: it is as old as the last poll.
"""

from __future__ import annotations

import re
import socket
import struct
from decimal import Decimal

from .belief import Tracking

NTP_PORT = 123
TIMEOUT_S = 1.0
VARIABLES = ("leap", "stratum", "refid", "rootdelay", "rootdisp", "offset", "frequency")
HEADER = struct.Struct("!BBHHHHH")
VERSION_MODE = 4 << 3 | 6
READ_VARIABLES = 2
RESPONSE, ERROR, MORE = 0x80, 0x40, 0x20
SEQUENCE = 1
NS_PER_MS = 1_000_000
LEAPS = ("Normal", "Insert second", "Delete second", "Not synchronised")
"""by leap indicator, in chronyc's words"""

_VARIABLE = re.compile(r'\s*(\w+)=("[^"]*"|[^,]*)')


def ask(host: str) -> Tracking | None:
    """What ntpd at `host` believes; None when it does not answer, or not sensibly."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
            asking.settimeout(TIMEOUT_S)
            asking.connect((host, NTP_PORT))
            asking.send(request())
            return parse_variables(payload(asking.recv(2048)))
    except (OSError, ValueError):
        return None


def request() -> bytes:
    """The question for all of `VARIABLES`."""
    wanted = ",".join(VARIABLES).encode()
    header = HEADER.pack(VERSION_MODE, READ_VARIABLES, SEQUENCE, 0, 0, 0, len(wanted))
    return header + wanted + bytes(-len(wanted) % 4)


def payload(message: bytes) -> str:
    """The text of an answer. Raises `ValueError` when it is no whole answer to `request`."""
    if len(message) < HEADER.size:
        raise ValueError(f"too short for a control message: {message!r}")
    _, flags, sequence, _, _, offset, count = HEADER.unpack_from(message)
    if flags != RESPONSE | READ_VARIABLES or sequence != SEQUENCE or offset != 0:
        raise ValueError(f"expected one whole answer, got {message[: HEADER.size]!r}")
    text = message[HEADER.size : HEADER.size + count]
    if len(text) != count:
        raise ValueError(f"expected {count} bytes of variables, got {len(text)}")
    return text.decode("ascii")


def parse_variables(text: str) -> Tracking:
    """The system variables. Raises `ValueError` when one is missing or is no number."""
    found = {name: value.strip().strip('"') for name, value in _VARIABLE.findall(text)}
    if missing := [name for name in VARIABLES if name not in found]:
        raise ValueError(f"expected {', '.join(missing)} among the variables, got {text!r}")
    try:
        offset_ns = -_nanoseconds(found["offset"])
        return Tracking(
            ref_id=found["refid"],
            ref_name=found["refid"],
            stratum=int(found["stratum"]),
            offset_ns=offset_ns,
            last_offset_ns=offset_ns,
            frequency_ppm=-float(found["frequency"]),
            skew_ppm=None,
            root_delay_ns=_nanoseconds(found["rootdelay"]),
            root_dispersion_ns=_nanoseconds(found["rootdisp"]),
            leap=LEAPS[int(found["leap"], 2)],
        )
    except ArithmeticError as error:
        raise ValueError(f"a variable is no number: {text!r}") from error


def _nanoseconds(milliseconds: str) -> int:
    return round(Decimal(milliseconds) * NS_PER_MS)
