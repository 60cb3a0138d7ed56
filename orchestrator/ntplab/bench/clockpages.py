"""Clock pages of a benchmark on this machine, and the library built for reading them.

Built from the same sources as in the images: no container is involved.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from ..errors import LabError
from ..hostclock import Timex
from ..labtime import raw_ns
from ..paths import IMAGES_DIR
from .measuring import CannotMeasure

ADJ_OFFSET = 0x0001
ADJ_STATUS = 0x0010
ADJ_TIMECONST = 0x0020
STA_PLL = 0x0001
SLEWED_US = 400_000
"""By the loop at its slowest a part of this is added in every second for days."""
TIME_CONSTANT = 10


def build_library(scratch: Path) -> Path:
    """Library and counting program, built outside the source tree; the folder they are in."""
    if not (shutil.which("cc") and shutil.which("make")):
        raise CannotMeasure("no C compiler and make (packages gcc, libc6-dev, make)")
    build = scratch / "vclock"
    command = ["make", "-C", str(IMAGES_DIR / "vclock"), f"B={build}", "all", "bench"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError("libvclock could not be built", log_tail=done.stderr.splitlines()[-5:])
    return build


def make_page(build: Path, page: Path) -> Mapping[str, str]:
    """A clock page that shows 1970, and the environment of a program that is to read it."""
    create = ctypes.CDLL(str(build / "libvclockmodel.so")).vclock_page_create
    create.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64]
    # Any wall time will do, its pace is the same.
    check(create(os.fsencode(page), raw_ns(), 0), "no clock page could be made")
    return {"LD_PRELOAD": str(build / "libvclock.so"), "VCLOCK_PAGE": str(page)}


def slew(build: Path, page: Path) -> None:
    """Have the loop correct the clock second by second, as ntpd has it."""
    library = ctypes.CDLL(str(build / "libvclockmodel.so"), use_errno=True)
    library.vclock_page_open.restype = ctypes.c_void_p
    library.vclock_page_open.argtypes = [ctypes.c_char_p, ctypes.c_int]
    library.vclock_page_close.argtypes = [ctypes.c_void_p]
    adjust = library.vclock_adjtimex
    adjust.argtypes = [ctypes.c_void_p, ctypes.c_int64, ctypes.c_void_p]
    clock = library.vclock_page_open(os.fsencode(page), 1)
    if clock is None:
        check(-ctypes.get_errno(), "no clock page could be opened")
    for timex in (
        Timex(modes=ADJ_STATUS | ADJ_TIMECONST, status=STA_PLL, constant=TIME_CONSTANT),
        Timex(modes=ADJ_OFFSET, offset=SLEWED_US),
    ):
        check(adjust(clock, -1, ctypes.byref(timex)), "no clock page could be set")
    library.vclock_page_close(clock)


def check(result: int, trouble: str) -> None:
    """Raises `LabError` for a negative errno."""
    if result < 0:
        raise LabError(f"{trouble}: {os.strerror(-result)}")
