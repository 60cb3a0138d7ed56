"""Corners of the calls on the wall clock: null pointers, the order of refusals, alarm clocks."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

from clockpage import NS_PER_S, ClockPage
from test_interpose import PROLOGUE

from conftest import NOBODY, Preloaded


def test_null_pointers_are_answered_as_by_the_kernel(preloaded: Preloaded) -> None:
    source = PROLOGUE + (
        "zone = (ctypes.c_int * 2)(7, 7)\n"
        "found = [name(libc.adjtimex(None)), name(libc.ntp_adjtime(None)),"
        " name(libc.clock_adjtime(0, None)), name(libc.gettimeofday(None, ref(zone))), zone[0]]\n"
        "print(json.dumps(found))"
    )
    virtual = json.loads(preloaded.python(source))
    preloaded.page_path = None
    assert virtual == json.loads(preloaded.python(source)) == ["EFAULT"] * 3 + [0, 0]


def test_who_may_not_set_the_clock_hears_that_before_what_is_wrong_with_it(
    preloaded: Preloaded, live_page: ClockPage
) -> None:
    user = NOBODY if os.geteuid() == 0 else None
    if user is None:
        live_page.path.chmod(0o444)
    source = PROLOGUE + "print(name(libc.settimeofday(None, ref(ctypes.c_int(901)))))"
    assert preloaded.python(source, user=user).strip() == "EPERM"


# The calls of a machine that can be woken by its clock, which this one may not be.
ALARMING = """
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <time.h>

int
clock_gettime(clockid_t id, struct timespec *ts)
{
  int (*next)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
  return next(id == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME : id, ts);
}

int
clock_nanosleep(clockid_t id, int flags, const struct timespec *t, struct timespec *left)
{
  int (*next)(clockid_t, int, const struct timespec *, struct timespec *) =
    dlsym(RTLD_NEXT, "clock_nanosleep");
  return next(id == CLOCK_REALTIME_ALARM ? CLOCK_REALTIME : id, flags, t, left);
}

int
timer_create(clockid_t id, struct sigevent *event, timer_t *timer)
{
  int (*next)(clockid_t, struct sigevent *, timer_t *) = dlsym(RTLD_NEXT, "timer_create");
  return next(id == CLOCK_BOOTTIME_ALARM ? CLOCK_BOOTTIME : id, event, timer);
}
"""

ALARMS = """
import signal, sys
class IT(ctypes.Structure): _fields_ = (("i", TS), ("v", TS))
ALARM, ABS = 8, 1
def late(f):
    until = time.time_ns() + 50_000_000
    f(TS(until // 10**9, until % 10**9))
    return time.time_ns() - until
def sleep(ts): assert libc.clock_nanosleep(ALARM, ABS, ref(ts), None) == 0
def timer(ts):
    t = ctypes.c_void_p()
    assert libc.timer_create(ALARM, None, ref(t)) == 0
    assert libc.timer_settime(t, ABS, ref(IT(TS(), ts)), None) == 0
    signal.sigwait([signal.SIGALRM])
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM])
print(time.clock_gettime_ns(ALARM) - time.time_ns(), late(sleep), late(timer))
"""


def test_alarms_go_by_the_virtual_clock_where_the_kernel_has_them(
    preloaded: Preloaded, compile_c: Callable[..., Path]
) -> None:
    preloaded.extra_preload = [compile_c("alarming.so", ALARMING, "-shared", "-fPIC", "-ldl")]
    apart_ns, *late_ns = map(int, preloaded.python(PROLOGUE + ALARMS).split())
    assert -NS_PER_S < apart_ns <= 0
    assert all(0 <= ns < 5 * NS_PER_S for ns in late_ns), late_ns


def test_alarms_are_refused_as_by_the_kernel(preloaded: Preloaded) -> None:
    source = PROLOGUE + (
        "ts, t = TS(1, 0), ctypes.c_void_p()\n"
        "print(name(libc.clock_gettime(8, ref(ts))), libc.clock_nanosleep(8, 1, ref(ts), None),"
        " name(libc.timer_create(8, None, ref(t))) != 'EFAULT')"
    )
    virtual = preloaded.python(source)
    preloaded.page_path = None
    assert virtual == preloaded.python(source)
