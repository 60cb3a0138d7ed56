"""One NTP query: what a clock shows against lab time, and how far that may be wrong.

RFC 5905, section 8: of the four times of a packet and its answer, offset = ((T2 - T1) +
(T3 - T4)) / 2 is right to half the delay (T4 - T1) - (T3 - T2), whichever way the delay was
spent. T1 and T4 are lab time here, which no daemon steers: libraries such as ntplib take them from
this machine's wall clock, in floating point.
"""

from __future__ import annotations

import secrets
import socket
import struct
from dataclasses import dataclass

from ..labtime import LabClock
from ..units import NS_PER_S

PACKET = struct.Struct("!BBbbII4s8s8sII8s")
ASK = 0x23
"""leap 0, version 4, mode 3: a client"""
SERVER_MODE = 4
EPOCH_S = 2_208_988_800
"""from 1900, where NTP counts from, to 1970"""
ERA_S = 2**32
KISSES = (b"RATE", b"DENY", b"RSTR")


class NoAnswer(Exception):
    """Nothing usable came back; says why."""


@dataclass(frozen=True)
class ProbeReading:
    """The clock was `offset_ns` ahead of lab time at `lab_ns`, to within `error_ns`."""

    lab_ns: int
    offset_ns: int
    error_ns: int
    delay_ns: int


def query(address: str, port: int, clock: LabClock, timeout_s: float = 0.5) -> ProbeReading:
    """Ask once. Raises `NoAnswer`. An unsynchronised server's time counts as any other's."""
    cookie = secrets.token_bytes(8)
    packet = bytes([ASK]) + bytes(39) + cookie
    try:
        family, kind, protocol, _, where = socket.getaddrinfo(
            address, port, type=socket.SOCK_DGRAM
        )[0]
        with socket.socket(family, kind, protocol) as link:
            link.settimeout(timeout_s)
            link.connect(where)
            t1_ns = clock.now_ns()
            link.send(packet)
            answer = link.recv(1024)
            t4_ns = clock.now_ns()
    except OSError as error:
        raise NoAnswer(f"{address}:{port}: {error.strerror or 'no answer'}") from error
    return reading(answer, cookie, t1_ns, t4_ns)


def reading(answer: bytes, cookie: bytes, t1_ns: int, t4_ns: int) -> ProbeReading:
    """What an answer tells. Raises `NoAnswer` when it is none to this query."""
    if len(answer) < PACKET.size:
        raise NoAnswer(f"an answer of {len(answer)} bytes")
    first, stratum, _, _, _, _, name, _, origin, *_ = PACKET.unpack_from(answer)
    if first & 7 != SERVER_MODE or origin != cookie:
        raise NoAnswer("an answer to something else")
    if stratum == 0 and name in KISSES:
        raise NoAnswer(f"refused: {name.decode()}")
    t2_ns, t3_ns = (_unix_ns(answer[start : start + 8], t4_ns) for start in (32, 40))
    delay_ns = max(0, (t4_ns - t1_ns) - (t3_ns - t2_ns))
    offset_ns = ((t2_ns - t1_ns) + (t3_ns - t4_ns)) // 2
    return ProbeReading((t1_ns + t4_ns) // 2, offset_ns, delay_ns // 2 + 1, delay_ns)


def _unix_ns(stamp: bytes, near_ns: int) -> int:
    """An NTP timestamp in ns since 1970, of the era that is nearest to `near_ns`."""
    number = int.from_bytes(stamp, "big")
    unix_s, fraction = (number >> 32) - EPOCH_S, number & 0xFFFF_FFFF
    eras = round((near_ns / NS_PER_S - unix_s) / ERA_S)
    return (unix_s + eras * ERA_S) * NS_PER_S + (fraction * NS_PER_S >> 32)
