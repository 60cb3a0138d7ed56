"""Python's clocks and ways of waiting: `now` or `wait WAY SECONDS` on stdin, answers on stdout."""

import asyncio
import queue
import select
import subprocess
import sys
import threading
import time
import uuid
from datetime import UTC, datetime

UUID_EPOCH_NS = 12_219_292_800 * 10**9  # from 1582-10-15 to 1970


def tell() -> str:
    moment = datetime.now(UTC)
    since = moment - datetime(1970, 1, 1, tzinfo=UTC)
    readings = {
        "time_ns": (1, time.time_ns()),
        "time": (1000, int(time.time() * 1e6) * 1000),
        "clock_gettime_ns": (1, time.clock_gettime_ns(time.CLOCK_REALTIME)),
        "datetime": (
            1000,
            (since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000,
        ),
        "gmtime": (10**9, int(time.mktime(time.localtime())) * 10**9),
        "uuid1": (1000, uuid.uuid1().time * 100 - UUID_EPOCH_NS),
    }
    return " ".join(f"{name} {unit} {ns}" for name, (unit, ns) in readings.items())


async def give_up(seconds: float) -> None:
    try:
        await asyncio.wait_for(asyncio.Event().wait(), seconds)
    except TimeoutError:
        return
    raise AssertionError("nobody set the event")


def take(seconds: float) -> None:
    try:
        queue.Queue().get(timeout=seconds)
    except queue.Empty:
        return
    raise AssertionError("nobody put anything")


def run(seconds: float) -> None:
    try:
        subprocess.run(["sleep", "1000"], timeout=seconds)
    except subprocess.TimeoutExpired:
        return
    raise AssertionError("sleep 1000 ended")


def held_lock(seconds: float) -> None:
    lock = threading.Lock()
    lock.acquire()
    assert not lock.acquire(timeout=seconds)


def timer(seconds: float) -> None:
    rang = threading.Event()
    threading.Timer(seconds, rang.set).start()
    rang.wait()


WAYS = {
    "time.sleep": time.sleep,
    "Event.wait": lambda s: threading.Event().wait(s),
    "Lock.acquire": held_lock,
    "threading.Timer": timer,
    "Queue.get": take,
    "asyncio.sleep": lambda s: asyncio.run(asyncio.sleep(s)),
    "asyncio.wait_for": lambda s: asyncio.run(give_up(s)),
    "select": lambda s: select.select([], [], [], s),
    "subprocess": run,
}

for line in sys.stdin:
    words = line.split()
    if words[0] == "now":
        print(tell(), flush=True)
    else:
        print("begun", flush=True)
        WAYS[words[1]](float(words[2]))
        print("ended", flush=True)
