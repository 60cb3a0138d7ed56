"""Packet stamps: made by the kernel with the host's clock, told in the virtual one.

A stamp must lie between a reading taken before the packet was sent and one taken after it was
received. The translation itself is good to half the width of the bracket around the reading of the
host's clock, some ten nanoseconds; SLACK_NS also covers being preempted in every one of the five
brackets. The clocks here are years off, or step by a hundred seconds.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from clockpage import NOW, NS_PER_S, ClockPage

from conftest import Preloaded

SLACK_NS = 100_000

PROLOGUE = """
import ctypes, json, os, select, socket, struct, time
NS = {29: 1000, 63: 1000}  # SO_TIMESTAMP counts microseconds
libc = ctypes.CDLL(None, use_errno=True)
now = time.time_ns
class TS(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("n", ctypes.c_long))
def pair(option, flags=1):
    receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    receiver.bind(("127.0.0.1", 0))
    receiver.setsockopt(socket.SOL_SOCKET, option, flags)
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.connect(receiver.getsockname())
    warm_up(receiver, sender)
    return receiver, sender
def warm_up(receiver, sender):
    # The first to want stamps makes the kernel switch stamping on, a little later: until then a
    # packet has no stamp, or for some options that of its reading.
    for _ in range(10_000):
        sender.send(b"w"); wait(receiver); arrived = now()
        while now() < arrived + 1_000_000: pass
        found = stamps(receiver.recvmsg(10, 200)[1])
        if found and found[0][1][0] <= arrived: return
    raise AssertionError("the kernel does not stamp packets as they come")
def stamps(ancillary):
    return [[kind, [s * 10**9 + n * NS.get(kind, 1)
                    for s, n in struct.iter_unpack("qq", data[:len(data) // 16 * 16])]]
            for level, kind, data in ancillary if level == socket.SOL_SOCKET]
def wait(s): assert select.select([s], [], [], 30)[0]
"""

RX_SOFTWARE, TX_SOFTWARE, SOFTWARE = 1 << 3, 1 << 1, 1 << 4
OPT_TSONLY = 1 << 11

# How a stamp is asked for: socket option and its value; the kind of control message it comes in.
WAYS = {
    "SO_TIMESTAMP": (29, 1, 29),
    "SO_TIMESTAMPNS": (35, 1, 35),
    "SO_TIMESTAMPING": (37, RX_SOFTWARE | SOFTWARE, 37),
    "SO_TIMESTAMP_NEW": (63, 1, 63),
    "SO_TIMESTAMPNS_NEW": (64, 1, 64),
    "SO_TIMESTAMPING_NEW": (65, RX_SOFTWARE | SOFTWARE, 65),
}
ways = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)

Way = tuple[int, int, int]


def assert_stamped(stamps: list[list[object]], kind: int, before_ns: int, after_ns: int) -> None:
    ((seen_kind, times_ns),) = stamps
    assert seen_kind == kind
    assert isinstance(times_ns, list)
    unit_ns = 1_000 if kind in (29, 63) else 1
    assert before_ns // unit_ns * unit_ns - SLACK_NS <= times_ns[0] <= after_ns + SLACK_NS
    # Of the three of SO_TIMESTAMPING the others are zero where no card makes them.
    assert not any(times_ns[1:])


@ways
def test_a_received_packet(preloaded: Preloaded, live_page: ClockPage, way: Way) -> None:
    live_page.set_drift(NOW, 80_000.0)
    option, flags, kind = way
    source = PROLOGUE + (
        f"r, s = pair({option}, {flags})\n"
        "before = now(); s.send(b'x'); wait(r); got = r.recvmsg(10, 200); after = now()\n"
        "print(json.dumps([got[0].decode(), stamps(got[1]), before, after]))"
    )
    data, stamps, before_ns, after_ns = json.loads(preloaded.python(source))
    assert data == "x"
    assert_stamped(stamps, kind, before_ns, after_ns)


@ways
def test_a_packet_that_came_before_a_step(preloaded: Preloaded, way: Way) -> None:
    """Converted with the parameters that held at arrival, not with those at reading."""
    option, flags, kind = way
    source = PROLOGUE + (
        f"r, s = pair({option}, {flags})\n"
        "before = now(); s.send(b'x'); wait(r); after = now()\n"
        "assert libc.clock_settime(0, ctypes.byref(TS(after // 10**9 + 100, 0))) == 0\n"
        "got = r.recvmsg(10, 200)\n"
        "print(json.dumps([stamps(got[1]), before, after]))"
    )
    stamps, before_ns, after_ns = json.loads(preloaded.python(source))
    assert_stamped(stamps, kind, before_ns, after_ns)


RECVMMSG = """
class IOV(ctypes.Structure):
    _fields_ = (("base", ctypes.c_void_p), ("len", ctypes.c_size_t))
class MSG(ctypes.Structure):
    _fields_ = (("name", ctypes.c_void_p), ("namelen", ctypes.c_uint), ("iov", ctypes.c_void_p),
                ("iovlen", ctypes.c_size_t), ("control", ctypes.c_void_p),
                ("controllen", ctypes.c_size_t), ("flags", ctypes.c_int), ("pad", ctypes.c_int),
                ("len", ctypes.c_uint))
def recvmmsg(fd, n, flags=0):
    messages, keep = (MSG * n)(), []
    for m in messages:
        data, control = ctypes.create_string_buffer(10), ctypes.create_string_buffer(200)
        iov = IOV(ctypes.addressof(data), 10)
        keep += [data, control, iov]
        m.iov, m.iovlen = ctypes.addressof(iov), 1
        m.control, m.controllen = ctypes.addressof(control), 200
    got = CALL
    found = []
    for m in messages[:max(got, 0)]:
        control = ctypes.string_at(m.control, m.controllen)
        length, level, kind = struct.unpack("qii", control[:16])
        found += stamps([(level, kind, control[16:length])])
    return found
"""


@pytest.mark.parametrize(
    "call",
    [
        "libc.recvmmsg(fd, messages, n, flags, None)",
        "libc.syscall({'x86_64': 299, 'aarch64': 243}[os.uname().machine], fd, messages, n,"
        " flags, None)",
    ],
    ids=["function", "syscall"],
)
def test_several_packets_at_once(preloaded: Preloaded, call: str) -> None:
    source = (PROLOGUE + RECVMMSG).replace("CALL", call) + (
        "r, s = pair(35); times = [now()]\n"
        "for _ in range(3): s.send(b'x'); wait(r); times.append(now())\n"
        "print(json.dumps([recvmmsg(r.fileno(), 3), times]))"
    )
    stamps, times_ns = json.loads(preloaded.python(source))
    assert len(stamps) == 3
    for stamp, before_ns, after_ns in zip(stamps, times_ns, times_ns[1:], strict=False):
        assert_stamped([stamp], 35, before_ns, after_ns)


def test_a_sent_packet_from_the_error_queue(preloaded: Preloaded) -> None:
    source = PROLOGUE + (
        f"r, s = pair(35)\n"
        f"s.setsockopt(socket.SOL_SOCKET, 37, {TX_SOFTWARE | SOFTWARE | OPT_TSONLY})\n"
        "before = now(); s.send(b'x'); wait(r); poll = select.poll(); poll.register(s, 0)\n"
        "assert poll.poll(30000); after = now()\n"
        "assert libc.clock_settime(0, ctypes.byref(TS(after // 10**9 + 100, 0))) == 0\n"
        "got = s.recvmsg(10, 200, socket.MSG_ERRQUEUE)\n"
        "print(json.dumps([stamps(got[1]), before, after]))"
    )
    stamps, before_ns, after_ns = json.loads(preloaded.python(source))
    assert_stamped(stamps, 37, before_ns, after_ns)


def test_without_a_page_stamps_are_the_hosts(preloaded: Preloaded) -> None:
    preloaded.page_path = None
    source = PROLOGUE + (
        "r, s = pair(35)\n"
        "before = now(); s.send(b'x'); wait(r); got = r.recvmsg(10, 200); after = now()\n"
        "print(json.dumps([stamps(got[1]), before, after]))"
    )
    stamps, before_ns, after_ns = json.loads(preloaded.python(source))
    assert_stamped(stamps, 35, before_ns, after_ns)


def test_errors_pass(preloaded: Preloaded) -> None:
    source = PROLOGUE + (
        "r, s = pair(35); r.setblocking(False)\n"
        "try: r.recvmsg(10, 200)\n"
        "except BlockingIOError as e: print(e.errno)"
    )
    assert int(preloaded.python(source)) == 11


# A C library whose recvmsg() delivers control messages that no kernel here does: stamps of zero, a
# card's own stamp, one that is cut short.
FORGER = """
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

static struct cmsghdr *
put(struct msghdr *msg, struct cmsghdr *cmsg, int level, int type, const void *data, size_t n)
{
  cmsg->cmsg_level = level;
  cmsg->cmsg_type = type;
  cmsg->cmsg_len = CMSG_LEN(n);
  memcpy(CMSG_DATA(cmsg), data, n);
  return CMSG_NXTHDR(msg, cmsg);
}

ssize_t
recvmsg(int fd, struct msghdr *msg, int flags)
{
  const struct timespec none[3] = {{0, 0}, {0, 0}, {0, 0}};
  const struct timespec card[3] = {{0, 0}, {0, 0}, {1111, 2222}};
  const struct timeval zero = {0, 0};
  struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

  memset(msg->msg_control, 0, msg->msg_controllen);
  cmsg = put(msg, cmsg, SOL_SOCKET, SO_TIMESTAMP, &zero, sizeof zero);
  cmsg = put(msg, cmsg, SOL_SOCKET, SO_TIMESTAMPNS, none, sizeof *none);
  cmsg = put(msg, cmsg, SOL_SOCKET, SO_TIMESTAMPING, none, sizeof none);
  cmsg = put(msg, cmsg, SOL_SOCKET, SO_TIMESTAMPING, card, sizeof card);
  cmsg = put(msg, cmsg, SOL_SOCKET, SO_TIMESTAMPNS, "12345678", 8);
  cmsg = put(msg, cmsg, SOL_SOCKET, SCM_RIGHTS, "1234567890123456", 16);
  cmsg = put(msg, cmsg, 41, SO_TIMESTAMPNS, "1234567890123456", 16);
  msg->msg_controllen = (char *)cmsg - (char *)msg->msg_control;
  msg->msg_flags = flags & 0;
  return fd - fd;
}
"""


def test_what_is_no_stamp_stays_as_it_is(
    preloaded: Preloaded, compile_c: Callable[..., Path]
) -> None:
    forger = compile_c("forger.so", FORGER, "-shared", "-fPIC")
    # Read through the C call: Python would take the descriptors of SCM_RIGHTS.
    source = (
        PROLOGUE
        + RECVMMSG.split("def recvmmsg")[0]
        + (
            "control = ctypes.create_string_buffer(1000)\n"
            "m = MSG(control=ctypes.addressof(control), controllen=1000)\n"
            "assert libc.recvmsg(0, ctypes.byref(m), 0) == 0\n"
            "print(control.raw[:m.controllen].hex())"
        )
    )
    preloaded.extra_preload = [forger]
    with_page = preloaded.python(source)
    preloaded.page_path = None
    assert with_page == preloaded.python(source)
    assert with_page.count(b"1234567890123456".hex()) == 2


def test_a_stamp_from_long_ago_is_read_with_the_oldest_set(
    preloaded: Preloaded, live_page: ClockPage
) -> None:
    """More changes than the page keeps: still a time, by the oldest parameters that are left."""
    source = PROLOGUE + (
        "r, s = pair(35); s.send(b'x'); wait(r); print(now(), flush=True)\n"
        "for i in range(200):\n"
        "    assert libc.clock_settime(0, ctypes.byref(TS(1800000000, 0))) == 0\n"
        "print(stamps(r.recvmsg(10, 200)[1])[0][1][0])"
    )
    sent_ns, stamp_ns = map(int, preloaded.python(source).split())
    assert sent_ns < 1_800_000_000 * NS_PER_S - NS_PER_S
    assert abs(stamp_ns - 1_800_000_000 * NS_PER_S) < 60 * NS_PER_S
