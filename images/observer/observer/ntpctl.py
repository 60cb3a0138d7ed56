"""What openntpd believes about its clock: what its own `ntpctl -s all` prints, over TCP.

openntpd tells only through a socket in its container, so its image has a service that runs
ntpctl for whoever connects (images/openntpd/ntpctl-server). A status line and a table:

    1/1 peers valid, clock synced, stratum 2
    1/1 peers valid, clock unsynced, clock offset is 284.855ms

    peer
       wt tl st  next  poll          offset       delay      jitter
    10.151.2.2 ntp1
     *  1 10  1    5s   32s         0.308ms     0.100ms     0.036ms

`clock offset` is the rest of a correction under way, the peers' offsets the median of what was
measured, both > 0 when the clock is slow; they are turned around here as `belief.py` does. It
tells no root delay, no dispersion and no frequency.
"""

from __future__ import annotations

import re
import socket
from decimal import Decimal
from statistics import median

from .belief import Tracking

PORT = 323
TIMEOUT_S = 2.0
NS_PER_MS = 1_000_000
SYNCED, UNSYNCED = "Normal", "Not synchronised"

_STATUS = re.compile(r"\d+/\d+ peers valid.*?clock (?P<state>synced|unsynced)")
_STRATUM = re.compile(r"stratum (\d+)")
_CLOCK_OFFSET = re.compile(r"clock offset is (-?[\d.]+)ms")
_PEER = re.compile(
    r"^(?P<address>\S+) (?P<name>\S+)\n +(?P<chosen>\*?) +\d+ +\d+ +\d+ +\S+ +\S+ +"
    r"(?P<offset>-?[\d.]+)ms",
    re.MULTILINE,
)


def ask(host: str) -> Tracking | None:
    """What openntpd at `host` believes; None when it does not answer, or not sensibly."""
    try:
        with socket.create_connection((host, PORT), timeout=TIMEOUT_S) as asking:
            return parse_status(asking.makefile("r", encoding="ascii").read())
    except (OSError, ValueError):
        return None


def parse_status(text: str) -> Tracking:
    """What `ntpctl -s all` printed. Raises `ValueError` when it is something else."""
    status = _STATUS.search(text)
    if status is None:
        raise ValueError(f"expected the status of ntpctl, got {text!r}")
    peers = list(_PEER.finditer(text))
    chosen = next((peer for peer in peers if peer["chosen"]), None)
    stratum = _STRATUM.search(text)
    return Tracking(
        ref_id=chosen["address"] if chosen else "",
        ref_name=chosen["name"] if chosen else "",
        stratum=int(stratum[1]) if stratum else None,
        offset_ns=_offset_ns(text, [peer["offset"] for peer in peers]),
        last_offset_ns=None,
        frequency_ppm=None,
        skew_ppm=None,
        root_delay_ns=None,
        root_dispersion_ns=None,
        leap=SYNCED if status["state"] == "synced" else UNSYNCED,
    )


def _offset_ns(text: str, peers_ms: list[str]) -> int | None:
    """Of a correction under way what is left, else what the peers say; None without any."""
    under_way = _CLOCK_OFFSET.search(text)
    if under_way:
        return -round(Decimal(under_way[1]) * NS_PER_MS)
    if not peers_ms:
        return None
    return -round(median(Decimal(offset) for offset in peers_ms) * NS_PER_MS)
