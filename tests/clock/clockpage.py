"""The clock pages of libvclockmodel.so through ctypes, for the tests of the C library.

A `ClockPage` is an open page: raw instants and wall readings in nanoseconds, drift in ppm, errors
as OSError. `Timex` and `Status` have the layout of the C structures.
"""

from __future__ import annotations

import ctypes as ct
import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOW = -1
NS_PER_S = 10**9
FREQ_SCALE = 65536

ADJ_OFFSET = 0x0001
ADJ_FREQUENCY = 0x0002
ADJ_MAXERROR = 0x0004
ADJ_ESTERROR = 0x0008
ADJ_STATUS = 0x0010
ADJ_TIMECONST = 0x0020
ADJ_TAI = 0x0080
ADJ_SETOFFSET = 0x0100
ADJ_MICRO = 0x1000
ADJ_NANO = 0x2000
ADJ_TICK = 0x4000
ADJ_OFFSET_SINGLESHOT = 0x8001
ADJ_OFFSET_SS_READ = 0xA001

STA_PLL = 0x0001
STA_FLL = 0x0008
STA_INS = 0x0010
STA_DEL = 0x0020
STA_UNSYNC = 0x0040
STA_FREQHOLD = 0x0080
STA_CLOCKERR = 0x1000
STA_NANO = 0x2000
STA_MODE = 0x4000
STA_RONLY = 0x0100 | 0x0200 | 0x0400 | 0x0800 | 0x1000 | 0x2000 | 0x4000 | 0x8000

TIME_OK = 0
TIME_INS = 1
TIME_DEL = 2
TIME_OOP = 3
TIME_WAIT = 4
TIME_ERROR = 5
MAX_ERROR_US = 16_000_000


class Timex(ct.Structure):
    """struct timex of a 64-bit Linux."""

    _fields_ = (
        ("modes", ct.c_uint),
        ("offset", ct.c_long),
        ("freq", ct.c_long),
        ("maxerror", ct.c_long),
        ("esterror", ct.c_long),
        ("status", ct.c_int),
        ("constant", ct.c_long),
        ("precision", ct.c_long),
        ("tolerance", ct.c_long),
        ("time_s", ct.c_long),
        ("time_fraction", ct.c_long),
        ("tick", ct.c_long),
        ("ppsfreq", ct.c_long),
        ("jitter", ct.c_long),
        ("shift", ct.c_int),
        ("stabil", ct.c_long),
        ("jitcnt", ct.c_long),
        ("calcnt", ct.c_long),
        ("errcnt", ct.c_long),
        ("stbcnt", ct.c_long),
        ("tai", ct.c_int),
        ("padding", ct.c_int * 11),
    )


class Timespec(ct.Structure):
    """struct timespec of a 64-bit Linux."""

    _fields_ = (("s", ct.c_long), ("ns", ct.c_long))


class Status(ct.Structure):
    """struct vclock_status."""

    _fields_ = (
        ("wall_ns", ct.c_int64),
        ("drift_scaled", ct.c_int64),
        ("freq_scaled", ct.c_int64),
        ("tick", ct.c_int64),
        ("maxerror_us", ct.c_int64),
        ("esterror_us", ct.c_int64),
        ("slew_left_ns", ct.c_int64),
        ("last_set_raw", ct.c_int64),
        ("seq", ct.c_uint64),
        ("status", ct.c_int32),
        ("tai", ct.c_int32),
        ("frozen", ct.c_int32),
        ("writable", ct.c_int32),
    )


def load(path: Path) -> ct.CDLL:
    """libvclockmodel.so with the types of its functions."""
    library = ct.CDLL(str(path), use_errno=True)
    page, i64 = ct.c_void_p, ct.c_int64
    signatures: dict[str, tuple[object, list[object]]] = {
        "vclock_page_create": (ct.c_int, [ct.c_char_p, i64, i64]),
        "vclock_page_open": (page, [ct.c_char_p, ct.c_int]),
        "vclock_page_close": (None, [page]),
        "vclock_raw_now": (i64, []),
        "vclock_read": (i64, [page, i64]),
        "vclock_status": (ct.c_int, [page, i64, ct.POINTER(Status)]),
        "vclock_set_wall": (i64, [page, i64, i64]),
        "vclock_step": (i64, [page, i64, i64]),
        "vclock_set_oscillator": (i64, [page, i64, i64]),
        "vclock_freeze": (i64, [page, i64, ct.c_int]),
        "vclock_reset": (i64, [page, i64, i64]),
        "vclock_settime": (ct.c_int, [page, i64, ct.POINTER(Timespec)]),
        "vclock_adjtimex": (ct.c_int, [page, i64, ct.POINTER(Timex)]),
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def checked(result: int) -> int:
    """The result of a call, or the OSError of its negative errno."""
    if result < 0:
        raise OSError(-result, os.strerror(-result))
    return result


class ClockPage:
    """An open clock page; close it with `close` or use `opened`."""

    def __init__(self, library: ct.CDLL, path: Path, *, writable: bool = True) -> None:
        self.library, self.path = library, path
        self.handle = library.vclock_page_open(os.fsencode(path), int(writable))
        if not self.handle:
            number = ct.get_errno()
            raise OSError(number, os.strerror(number), str(path))

    @classmethod
    def create(cls, library: ct.CDLL, path: Path, raw_ns: int, wall_ns: int) -> ClockPage:
        checked(library.vclock_page_create(os.fsencode(path), raw_ns, wall_ns))
        return cls(library, path)

    def close(self) -> None:
        self.library.vclock_page_close(self.handle)

    def raw_now(self) -> int:
        return int(self.library.vclock_raw_now())

    def read(self, raw_ns: int) -> int:
        return int(self.library.vclock_read(self.handle, raw_ns))

    def read_now(self) -> int:
        return self.read(self.raw_now())

    def status(self, raw_ns: int = NOW) -> Status:
        status = Status()
        checked(self.library.vclock_status(self.handle, raw_ns, ct.byref(status)))
        return status

    def set_wall(self, raw_ns: int, wall_ns: int) -> int:
        return checked(self.library.vclock_set_wall(self.handle, raw_ns, wall_ns))

    def step(self, raw_ns: int, by_ns: int) -> int:
        return checked(self.library.vclock_step(self.handle, raw_ns, by_ns))

    def set_drift(self, raw_ns: int, drift_ppm: float) -> int:
        scaled = round(drift_ppm * FREQ_SCALE)
        return checked(self.library.vclock_set_oscillator(self.handle, raw_ns, scaled))

    def freeze(self, raw_ns: int, frozen: bool) -> int:
        return checked(self.library.vclock_freeze(self.handle, raw_ns, int(frozen)))

    def reset(self, raw_ns: int, wall_ns: int) -> int:
        return checked(self.library.vclock_reset(self.handle, raw_ns, wall_ns))

    def settime(self, raw_ns: int, s: int, ns: int = 0) -> None:
        checked(self.library.vclock_settime(self.handle, raw_ns, Timespec(s, ns)))

    def adjtimex(self, raw_ns: int, modes: int = 0, **fields: int) -> tuple[int, Timex]:
        """The state of the clock and the filled structure."""
        timex = Timex(modes=modes, **fields)
        return checked(self.library.vclock_adjtimex(self.handle, raw_ns, timex)), timex

    def adjtimex_error(self, raw_ns: int, modes: int, **fields: int) -> str:
        """The name of the errno that adjtimex fails with."""
        rc = self.library.vclock_adjtimex(self.handle, raw_ns, Timex(modes=modes, **fields))
        assert rc < 0, f"adjtimex(0x{modes:x}) succeeded with {rc}"
        return errno.errorcode[-rc]


@contextmanager
def opened(page: ClockPage) -> Iterator[ClockPage]:
    """The page, closed at the end."""
    try:
        yield page
    finally:
        page.close()
