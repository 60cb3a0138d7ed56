"""Programs under the preloaded library: every call on the wall clock is answered from the page.

The programs are Python with ctypes, which finds our functions as any program does, and a few of the
system's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from clockpage import ADJ_FREQUENCY, ADJ_STATUS, ADJ_TAI, NOW, NS_PER_S, ClockPage

from conftest import NOBODY, Preloaded

SECOND_NS = NS_PER_S

# What every program below starts with: the C library as the program sees it.
PROLOGUE = """
import ctypes, errno, json, os, time
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
libc.time.restype = ctypes.c_long
class TS(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("n", ctypes.c_long))
    def ns(self, unit=1): return self.s * 10**9 + self.n * unit
class TB(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ms", ctypes.c_ushort), ("z", ctypes.c_short * 2))
class NTV(ctypes.Structure):
    _fields_ = (("t", TS), ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long),
                ("tai", ctypes.c_long), ("reserved", ctypes.c_long * 4))
class TX(ctypes.Structure):
    _fields_ = (("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long),
                ("maxerror", ctypes.c_long), ("esterror", ctypes.c_long),
                ("status", ctypes.c_int), ("constant", ctypes.c_long),
                ("precision", ctypes.c_long), ("tolerance", ctypes.c_long), ("t", TS),
                ("tick", ctypes.c_long), ("rest", ctypes.c_long * 20))
ref = ctypes.byref
def name(rc): return errno.errorcode[ctypes.get_errno()] if rc < 0 else rc
"""

READ_ALL = (
    PROLOGUE
    + """
ts, tv, tb, ntv, tx, t = TS(), TS(), TB(), NTV(), TX(), ctypes.c_long()
SYS = {"clock_gettime": 228, "gettimeofday": 96, "time": 201, "adjtimex": 159,
       "clock_adjtime": 305} if os.uname().machine == "x86_64" else {
       "clock_gettime": 113, "gettimeofday": 169, "adjtimex": 171, "clock_adjtime": 266}
def call(function, *arguments):
    assert function(*arguments) >= 0, function
found = {}
def see(call_name, unit_ns, ns): found[call_name] = [unit_ns, ns]
call(libc.clock_gettime, 0, ref(ts)); see("clock_gettime", 1, ts.ns())
call(libc.clock_gettime, 5, ref(ts)); see("clock_gettime coarse", 1, ts.ns())
call(libc.clock_gettime, 11, ref(ts)); see("clock_gettime tai", 1, ts.ns())
call(libc.gettimeofday, ref(tv), None); see("gettimeofday", 1000, tv.ns(1000))
call(libc.__getattr__("__gettimeofday"), ref(tv), None); see("__gettimeofday", 1000, tv.ns(1000))
see("time", 10**9, libc.time(None) * 10**9)
libc.time(ref(t)); see("time by pointer", 10**9, t.value * 10**9)
assert libc.timespec_get(ref(ts), 1) == 1; see("timespec_get", 1, ts.ns())
call(libc.ftime, ref(tb)); see("ftime", 10**6, tb.s * 10**9 + tb.ms * 10**6)
call(libc.ntp_gettime, ref(ntv)); see("ntp_gettime", 1000, ntv.t.ns(1000))
call(libc.ntp_gettimex, ref(ntv)); see("ntp_gettimex", 1000, ntv.t.ns(1000))
for f in ("adjtimex", "ntp_adjtime", "__adjtimex"):
    tx.modes = 0; call(getattr(libc, f), ref(tx)); see(f, 1000, tx.t.ns(1000))
tx.modes = 0; call(libc.clock_adjtime, 0, ref(tx)); see("clock_adjtime", 1000, tx.t.ns(1000))
for f, number in SYS.items():
    if f == "clock_gettime":
        call(libc.syscall, number, 0, ref(ts)); see("syscall " + f, 1, ts.ns())
    elif f == "gettimeofday":
        call(libc.syscall, number, ref(tv), None); see("syscall " + f, 1000, tv.ns(1000))
    elif f == "time":
        see("syscall time", 10**9, libc.syscall(number, None) * 10**9)
    elif f == "adjtimex":
        tx.modes = 0; call(libc.syscall, number, ref(tx))
        see("syscall " + f, 1000, tx.t.ns(1000))
    else:
        tx.modes = 0; call(libc.syscall, number, 0, ref(tx))
        see("syscall " + f, 1000, tx.t.ns(1000))
see("python", 1, time.time_ns())
print(json.dumps(found))
"""
)


def assert_between(seen: dict[str, list[int]], before_ns: int, after_ns: int) -> None:
    for call, (unit_ns, ns) in seen.items():
        assert before_ns // unit_ns * unit_ns <= ns <= after_ns, call


def test_every_reading_call_reads_the_page(preloaded: Preloaded, live_page: ClockPage) -> None:
    before_ns = live_page.read_now()
    seen = json.loads(preloaded.python(READ_ALL))
    assert_between(seen, before_ns, live_page.read_now())
    assert len(seen) >= 19


def test_without_a_page_every_call_is_the_hosts(preloaded: Preloaded) -> None:
    preloaded.page_path = None
    before_ns = time.time_ns()
    seen = json.loads(preloaded.python(READ_ALL))
    tai_ns = time.clock_gettime_ns(time.CLOCK_TAI) - time.time_ns()
    seen["clock_gettime tai"][1] -= round(tai_ns, -9)
    coarse_ns = int(time.clock_getres(time.CLOCK_REALTIME) * NS_PER_S) + 20_000_000
    assert_between(seen, before_ns - coarse_ns, time.time_ns())


def test_tai_is_ahead_by_what_was_set(preloaded: Preloaded, live_page: ClockPage) -> None:
    live_page.adjtimex(NOW, ADJ_TAI, constant=37)
    source = "import time; print(time.clock_gettime_ns(time.CLOCK_TAI))"
    before_ns = live_page.read_now()
    tai_ns = int(preloaded.python(source))
    assert before_ns <= tai_ns - 37 * NS_PER_S <= live_page.read_now()


def test_other_clocks_are_the_hosts(preloaded: Preloaded) -> None:
    source = PROLOGUE + (
        "ts = TS()\n"
        "print(json.dumps([time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME),"
        " time.process_time_ns() > 0, time.thread_time_ns() > 0,"
        " name(libc.clock_gettime(77, ref(ts))), name(libc.clock_settime(1, ref(ts))),"
        " name(libc.clock_adjtime(11, ref(TX())))]))"
    )
    before_ns = time.monotonic_ns(), time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    monotonic_ns, boottime_ns, process, thread, *errors = json.loads(preloaded.python(source))
    assert before_ns[0] <= monotonic_ns <= time.monotonic_ns()
    assert before_ns[1] <= boottime_ns <= time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    assert process
    assert thread
    assert errors == ["EINVAL", "EINVAL", "EOPNOTSUPP"] or errors[2] == "ENOTSUP"


def test_other_system_calls_pass_with_all_their_arguments(
    preloaded: Preloaded, public_dir: Path
) -> None:
    # pread64 of four arguments, mmap of six, and an errno.
    file = public_dir / "six-arguments"
    file.write_bytes(b"x" * 4096 + b"page two".ljust(4096))
    source = PROLOGUE + (
        f"fd = os.open({str(file)!r}, os.O_RDONLY)\n"
        "libc.mmap.restype = ctypes.c_void_p\n"
        "n = {'x86_64': (9, 17, 39), 'aarch64': (222, 67, 172)}[os.uname().machine]\n"
        "L = ctypes.c_long\n"
        "p = libc.syscall(L(n[0]), L(0), L(4096), L(1), L(2), L(fd), L(4096))\n"
        "b = ctypes.create_string_buffer(4)\n"
        "r = libc.syscall(L(n[1]), L(fd), b, L(4), L(4098))\n"
        "print(json.dumps([ctypes.string_at(p, 8).decode(), b.raw.decode(), r,"
        " libc.syscall(L(n[2])) == os.getpid(), name(libc.syscall(L(100000)))]))"
    )
    assert json.loads(preloaded.python(source)) == ["page two", "ge t", 4, True, "ENOSYS"]


def test_null_pointers_by_number_are_the_kernels_fault(preloaded: Preloaded) -> None:
    source = PROLOGUE + (
        "x = os.uname().machine == 'x86_64'\n"
        "numbers = (228, 227, 305) if x else (113, 112, 266)\n"
        "found = [name(libc.syscall(n, 0, None)) for n in numbers]\n"
        "found.append(name(libc.syscall(159 if x else 171, None)))\n"
        "found.append(name(libc.syscall(96 if x else 169, None, None)))\n"
        "print(json.dumps(found))"
    )
    virtual = json.loads(preloaded.python(source))
    preloaded.page_path = None
    assert virtual == json.loads(preloaded.python(source))
    assert virtual == ["EFAULT"] * 4 + [0]


SET_ALL = (
    PROLOGUE
    + """
x = os.uname().machine == "x86_64"
ts = TS(1600000000, 500000000)
tv = TS(1600000000, 500000)
t = ctypes.c_long(1600000000)
def step(s): return TX(modes=0x100, t=TS(s, 0))
calls = {
    "clock_settime": lambda: libc.clock_settime(0, ref(ts)),
    "settimeofday": lambda: libc.settimeofday(ref(tv), None),
    "stime": lambda: libc.stime(ref(t)),
    "time zone": lambda: libc.settimeofday(None, ref(ctypes.c_long(0))),
    "adjtimex": lambda: libc.adjtimex(ref(step(1))),
    "ntp_adjtime": lambda: libc.ntp_adjtime(ref(step(1))),
    "clock_adjtime": lambda: libc.clock_adjtime(0, ref(step(1))),
    "adjtime": lambda: libc.adjtime(ref(TS(1, 0)), None),
    "syscall clock_settime": lambda: libc.syscall(227 if x else 112, 0, ref(ts)),
    "syscall settimeofday": lambda: libc.syscall(164 if x else 170, ref(tv), None),
    "syscall adjtimex": lambda: libc.syscall(159 if x else 171, ref(step(1))),
    "syscall clock_adjtime": lambda: libc.syscall(305 if x else 266, 0, ref(step(1))),
}
found = {}
for call, function in calls.items():
    before = time.time_ns()
    rc = name(function())
    found[call] = [rc, before, time.time_ns()]
print(json.dumps(found))
"""
)


def test_every_setting_call_sets_the_page(preloaded: Preloaded, live_page: ClockPage) -> None:
    host_ns = time.time_ns() - time.monotonic_ns()
    found = json.loads(preloaded.python(SET_ALL))
    assert len(found) == 12
    for call, (rc, before_ns, after_ns) in found.items():
        assert rc in (0, 5), call
        if "adjtime" in call and call != "adjtime":  # steps by a second
            assert after_ns - before_ns >= NS_PER_S, call
        elif call not in ("adjtime", "time zone"):
            assert 0 <= after_ns - 1_600_000_000 * NS_PER_S < 60 * NS_PER_S, call
    assert live_page.status().slew_left_ns == 0  # dropped by the steps after it
    # The host's clock and the monotonic one have moved together: nobody has stepped it.
    assert abs(time.time_ns() - time.monotonic_ns() - host_ns) < NS_PER_S // 10


def test_who_may_only_read_the_page_cannot_set_the_clock(
    preloaded: Preloaded, live_page: ClockPage
) -> None:
    user = NOBODY if os.geteuid() == 0 else None
    if user is None:
        live_page.path.chmod(0o444)
    seq = live_page.status().seq
    found = json.loads(preloaded.python(SET_ALL, user=user))
    assert {call: rc for call, (rc, *_) in found.items()} == dict.fromkeys(found, "EPERM")
    assert live_page.status().seq == seq
    # Reads go on, those through the setting calls too.
    before_ns = live_page.read_now()
    assert_between(json.loads(preloaded.python(READ_ALL, user=user)), before_ns, before_ns * 2)


def test_adjtime_as_the_c_library_has_it(preloaded: Preloaded, live_page: ClockPage) -> None:
    source = PROLOGUE + (
        "old = TS()\n"
        "def slew(s, us): rc = name(libc.adjtime(ref(TS(s, us)), ref(old)));"
        " return [rc, old.s, old.n]\n"
        "found = [slew(1, 500000), slew(-2, -1)]\n"
        "found.append([name(libc.adjtime(None, ref(old))), old.s, old.n])\n"
        "found.append(slew(2146, 0)[0]); found.append(slew(-2146, 0)[0])\n"
        "print(json.dumps(found))"
    )
    first, second, third, *refused = json.loads(preloaded.python(source))
    assert first == [0, 0, 0]
    # A second and a half, less what was slewed in the meantime at 500 us a second.
    assert second[:2] == [0, 1]
    assert 400_000 < second[2] <= 500_000
    assert third[:2] == [0, -2]
    assert -1 <= third[2] <= 0
    assert refused == ["EINVAL", "EINVAL"]


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("libc.settimeofday(ref(TS(1, 1000000)), None)", "EINVAL"),
        ("libc.settimeofday(ref(TS(1, -1)), None)", "EINVAL"),
        ("libc.settimeofday(ref(TS(1, 0)), ref(ctypes.c_long(0)))", "EINVAL"),
        ("libc.settimeofday(None, ref(ctypes.c_int(901)))", "EINVAL"),
        ("libc.clock_settime(0, ref(TS(1, 10**9)))", "EINVAL"),
        ("libc.adjtimex(ref(TX(modes=0x4000, tick=1)))", "EINVAL"),
    ],
)
def test_invalid_settings(preloaded: Preloaded, call: str, error: str) -> None:
    assert preloaded.python(PROLOGUE + f"print(name({call}))").strip() == error


def test_ntp_gettime_tells_the_discipline(preloaded: Preloaded, live_page: ClockPage) -> None:
    live_page.adjtimex(NOW, ADJ_TAI, constant=37)
    live_page.adjtimex(NOW, ADJ_STATUS | 0x0C, status=0, maxerror=1_000, esterror=7)
    source = PROLOGUE + (
        "ntv = NTV(); rc = libc.ntp_gettimex(ref(ntv))\n"
        "print(json.dumps([rc, ntv.maxerror >= 1000, ntv.esterror, ctypes.c_int(ntv.tai).value]))"
    )
    assert json.loads(preloaded.python(source)) == [0, True, 7, 37]


def test_date_tells_and_sets_this_clock_only(
    preloaded: Preloaded, new_page: Callable[..., ClockPage], live_page: ClockPage
) -> None:
    other = new_page(live_page.raw_now(), live_page.read_now())
    assert preloaded.run("date", "-s", "2023-10-01 12:00:00").returncode == 0
    told = preloaded.run("date", "+%F %R").stdout.strip()
    assert told == "2023-10-01 12:00"
    assert other.status().seq == 0
    raw_ns = live_page.raw_now()
    set_to = datetime.fromtimestamp(live_page.read(raw_ns) // NS_PER_S, UTC)
    assert (set_to.date().isoformat(), set_to.hour) == ("2023-10-01", 12)


def test_a_child_of_a_child_sees_the_same_clock(preloaded: Preloaded, live_page: ClockPage) -> None:
    source = (
        "import os, subprocess, sys, time\n"
        "if os.fork() == 0:\n"
        "    print(time.time_ns(), flush=True)\n"
        "    subprocess.run(['sh', '-c', 'date +%s%N'])\n"
        "    os._exit(0)\n"
        "os.wait()\n"
    )
    before_ns = live_page.read_now()
    readings = [int(line) for line in preloaded.python(source).split()]
    assert len(readings) == 2
    assert before_ns <= readings[0] <= readings[1] <= live_page.read_now()


def test_a_change_is_seen_by_a_program_that_runs(
    preloaded: Preloaded, live_page: ClockPage
) -> None:
    source = "import time\nwhile input(): print(time.time_ns(), flush=True)"
    with subprocess.Popen(
        ["/usr/bin/env", "python3", "-c", source],
        env=preloaded.environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        assert program.stdin
        assert program.stdout
        for by_ns in (0, 86_400 * NS_PER_S, -86_400 * NS_PER_S):
            live_page.step(NOW, by_ns)
            before_ns = live_page.read_now()
            program.stdin.write("again\n")
            program.stdin.flush()
            reading_ns = int(program.stdout.readline())
            assert before_ns <= reading_ns <= live_page.read_now()
        program.stdin.write("\n")


def test_signals_and_threads_set_the_clock_without_waiting_for_themselves(
    preloaded: Preloaded, live_page: ClockPage
) -> None:
    source = PROLOGUE + (
        "import signal, threading\n"
        "hits = []\n"
        "def on_alarm(*_): hits.append(libc.adjtimex(ref(TX(modes=2, freq=len(hits)))))\n"
        "signal.signal(signal.SIGALRM, on_alarm)\n"
        "signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)\n"
        "def work():\n"
        "    for i in range(300): libc.adjtimex(ref(TX(modes=2, freq=i)))\n"
        "threads = [threading.Thread(target=work) for _ in range(4)]\n"
        "[t.start() for t in threads]; [t.join() for t in threads]\n"
        "while len(hits) < 10: work()\n"
        "signal.setitimer(signal.ITIMER_REAL, 0)\n"
        "print(min(hits))"
    )
    assert int(preloaded.python(source)) >= 0
    assert live_page.status().seq >= 1_210


def test_a_constructor_that_reads_the_time_before_us(
    preloaded: Preloaded, live_page: ClockPage, early_library: Path
) -> None:
    # Preloaded after ours, so its constructor runs before ours.
    preloaded.extra_preload = [early_library]
    source = PROLOGUE + "libc.tell_early.restype = ctypes.c_longlong; print(libc.tell_early())"
    before_ns = live_page.read_now()
    assert before_ns <= int(preloaded.python(source)) <= live_page.read_now()


@pytest.mark.parametrize(
    ("page", "says"),
    [
        ("/nonexistent/page", "/nonexistent/page: No such file or directory"),
        ("", ": No such file or directory"),
        ("/", "/: Is a directory"),
    ],
)
def test_a_page_that_is_not_there_ends_the_program(
    preloaded: Preloaded, page: str, says: str
) -> None:
    env = preloaded.environment() | {"VCLOCK_PAGE": page}
    done = subprocess.run(["date"], env=env, capture_output=True, text=True)
    assert done.returncode == 127
    assert done.stdout == ""
    assert done.stderr == f"libvclock: {says}\n"


def test_the_wall_clock_does_not_follow_a_time_namespace(
    preloaded: Preloaded, live_page: ClockPage
) -> None:
    enter = ["unshare", "--user", "--map-root-user", "--time", "--monotonic", "5000", "--fork"]
    if subprocess.run([*enter, "true"], capture_output=True).returncode != 0:
        pytest.skip("this host allows no time namespaces")
    source = "import time; print(time.time_ns(), time.monotonic_ns())"
    before_ns, monotonic_ns = live_page.read_now(), time.monotonic_ns()
    done = preloaded.run(*enter, "python3", "-c", source)
    reading_ns, inside_ns = map(int, done.stdout.split())
    assert before_ns <= reading_ns <= live_page.read_now()
    assert inside_ns - monotonic_ns >= 5_000 * NS_PER_S


def test_only_the_calls_of_the_map_are_exported(build: Path) -> None:
    done = subprocess.run(
        ["nm", "-D", "--defined-only", str(build / "libvclock.so")],
        capture_output=True,
        text=True,
        check=True,
    )
    exported = {line.split()[-1] for line in done.stdout.splitlines()}
    assert {"clock_gettime", "clock_adjtime", "recvmmsg", "syscall"} <= exported
    assert not {name for name in exported if name.startswith(("vclock", "page", "model", "host"))}


def test_frequency_set_by_a_program_is_read_back(
    preloaded: Preloaded, live_page: ClockPage
) -> None:
    source = PROLOGUE + "tx = TX(modes=2, freq=-3276800); libc.adjtimex(ref(tx)); print(tx.freq)"
    assert int(preloaded.python(source)) == -3_276_800
    assert live_page.adjtimex(NOW, ADJ_FREQUENCY, freq=0)[1].freq == 0
