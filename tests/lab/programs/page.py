"""Reads and bends this machine's clock page, from outside its clock: a line in, a line out.

`read`, `set WALL_NS`, `step NS`, `drift PPM`; the answer is what the clock shows after it.
"""

import ctypes
import os
import sys

library = ctypes.CDLL("/usr/lib/ntplab/libvclockmodel.so", use_errno=True)
i64 = ctypes.c_int64
NOW = i64(-1)
library.vclock_page_open.restype = ctypes.c_void_p
for name in ("raw_now", "read", "set_wall", "step", "set_oscillator"):
    getattr(library, "vclock_" + name).restype = i64


def bend(page: ctypes.c_void_p, verb: str, value: int) -> int:
    if verb == "set":
        return library.vclock_set_wall(page, i64(library.vclock_raw_now()), i64(value))
    if verb == "step":
        return library.vclock_step(page, NOW, i64(value))
    assert verb == "drift", verb
    return library.vclock_set_oscillator(page, NOW, i64(value << 16))


page = ctypes.c_void_p(library.vclock_page_open(b"/clock/page", 1))
assert page, os.strerror(ctypes.get_errno())
for line in sys.stdin:
    verb, *values = line.split()
    if verb != "read" and (result := bend(page, verb, int(values[0]))) < 0:
        raise OSError(-result, os.strerror(-result))
    print(library.vclock_read(page, i64(library.vclock_raw_now())), flush=True)
