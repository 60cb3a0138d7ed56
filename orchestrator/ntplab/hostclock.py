"""The host's own clock discipline, only ever read: proof that no lab touched it.

Used by `doctor/` and by the tests. Imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
from dataclasses import dataclass

STA_UNSYNC = 0x0040


class Timex(ctypes.Structure):
    """struct timex of adjtimex(2) on 64-bit Linux."""

    _fields_ = [
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", ctypes.c_long * 2),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("_reserved", ctypes.c_int * 11),
    ]


@dataclass(frozen=True)
class HostDiscipline:
    """How the kernel steers the host's wall clock."""

    frequency_ppm: float
    tick_us: int
    synchronized: bool
    """Some NTP daemon of the host's own steers it; frequency may then move by itself."""
    tai_offset_s: int


def read_host_discipline() -> HostDiscipline:
    """Ask adjtimex(2) with no mode set, which changes nothing and needs no right."""
    timex = Timex(modes=0)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.adjtimex(ctypes.byref(timex)) < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), "adjtimex")
    return HostDiscipline(
        frequency_ppm=timex.freq / 65536,
        tick_us=timex.tick,
        synchronized=not timex.status & STA_UNSYNC,
        tai_offset_s=timex.tai,
    )
