"""Clock pages, through libvclockmodel.so. The only module that knows the C library.

The interface is vclock.h: raw and wall times in ns, drift in 2^-16 ppm, failures as a
negative errno.
"""

from __future__ import annotations

import ctypes
import os
import time
from ctypes import POINTER, byref, c_char_p, c_int, c_int32, c_int64, c_uint64, c_void_p
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LIBRARY_VARIABLE = "NTPLAB_VCLOCK_LIBRARY"
DEFAULT_LIBRARY = "/usr/lib/ntplab/libvclockmodel.so"
SCALED_PER_PPM = 65536
NOW = -1
"""A raw instant that stands for now, taken while the page is locked."""


def raw_ns() -> int:
    """CLOCK_MONOTONIC_RAW in ns: what lab time and all pages count in."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


class PageError(Exception):
    """A clock page that cannot be used, and why."""


class _Status(ctypes.Structure):
    """`struct vclock_status` of vclock.h."""

    _fields_ = (
        ("wall_ns", c_int64),
        ("drift_scaled", c_int64),
        ("freq_scaled", c_int64),
        ("tick", c_int64),
        ("maxerror_us", c_int64),
        ("esterror_us", c_int64),
        ("slew_left_ns", c_int64),
        ("last_set_raw", c_int64),
        ("seq", c_uint64),
        ("status", c_int32),
        ("tai", c_int32),
        ("frozen", c_int32),
        ("writable", c_int32),
    )


@dataclass(frozen=True)
class PageStatus:
    """A clock at one raw instant: its reading, its oscillator, what adjtimex would say."""

    wall_ns: int
    drift_ppm: float
    frequency_ppm: float
    tick: int
    frozen: bool
    maxerror_us: int
    esterror_us: int
    slew_left_ns: int
    status: int


class ClockPage:
    """One clock. Everything that changes it returns the raw instant it took effect at."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        self._path = path
        self._handle: int | None = _library().vclock_page_open(os.fsencode(path), writable)
        if self._handle is None:
            raise PageError(f"{path}: {os.strerror(ctypes.get_errno())}")

    @staticmethod
    def create(path: Path, raw: int, wall_ns: int) -> None:
        """A page at `path` whose clock shows `wall_ns` at `raw`; replaces the one there."""
        _checked(path, _library().vclock_page_create(os.fsencode(path), raw, wall_ns))

    def read(self, raw: int) -> int:
        """The wall clock in ns at `raw`."""
        wall_ns: int = _library().vclock_read(self._handle, raw)
        return wall_ns

    def set_wall(self, raw: int, wall_ns: int) -> int:
        return self._change(_library().vclock_set_wall, raw, wall_ns)

    def step(self, by_ns: int) -> int:
        return self._change(_library().vclock_step, NOW, by_ns)

    def set_drift(self, ppm: float) -> int:
        scaled = round(ppm * SCALED_PER_PPM)
        return self._change(_library().vclock_set_oscillator, NOW, scaled)

    def freeze(self, frozen: bool) -> int:
        return self._change(_library().vclock_freeze, NOW, frozen)

    def reset(self, raw: int, wall_ns: int) -> int:
        return self._change(_library().vclock_reset, raw, wall_ns)

    def status(self, raw: int) -> PageStatus:
        found = _Status()
        _checked(self._path, _library().vclock_status(self._handle, raw, byref(found)))
        return PageStatus(
            wall_ns=found.wall_ns,
            drift_ppm=found.drift_scaled / SCALED_PER_PPM,
            frequency_ppm=found.freq_scaled / SCALED_PER_PPM,
            tick=found.tick,
            frozen=bool(found.frozen),
            maxerror_us=found.maxerror_us,
            esterror_us=found.esterror_us,
            slew_left_ns=found.slew_left_ns,
            status=found.status,
        )

    def close(self) -> None:
        if self._handle is not None:
            _library().vclock_page_close(self._handle)
            self._handle = None

    def __enter__(self) -> ClockPage:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _change(self, change: ctypes._NamedFuncPointer, raw: int, value: int) -> int:
        return _checked(self._path, change(self._handle, raw, value))


def _checked(path: Path, result: int) -> int:
    if result < 0:
        raise PageError(f"{path}: {os.strerror(-result)}")
    return result


@cache
def _library() -> ctypes.PyDLL:
    # PyDLL keeps the interpreter's lock: to give it up for a call of 30 ns would mean to wait
    # for it, up to 5 ms, whenever another thread is busy.
    library = ctypes.PyDLL(os.environ.get(LIBRARY_VARIABLE, DEFAULT_LIBRARY), use_errno=True)
    change = (c_int64, (c_void_p, c_int64, c_int64))
    signatures = {
        "vclock_page_create": (c_int, (c_char_p, c_int64, c_int64)),
        "vclock_page_open": (c_void_p, (c_char_p, c_int)),
        "vclock_page_close": (None, (c_void_p,)),
        "vclock_read": (c_int64, (c_void_p, c_int64)),
        "vclock_status": (c_int, (c_void_p, c_int64, POINTER(_Status))),
        "vclock_set_wall": change,
        "vclock_step": change,
        "vclock_set_oscillator": change,
        "vclock_freeze": (c_int64, (c_void_p, c_int64, c_int)),
        "vclock_reset": change,
    }
    for name, (result, arguments) in signatures.items():
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
