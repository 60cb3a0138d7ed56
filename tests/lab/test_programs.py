"""Programs that time matters to, as Debian ships them, on a virtual clock that is bent under them.

Each is started once and goes on running while its clock is stepped a day on, two days back, and
made to run 10 % fast: a program that reads the time past the preload, or computes it from something
else, shows a time that was not on the page while it was asked. Waits are begun before a step and
must last as long as if there had been none. test_programs_servers.py has PostgreSQL, Redis and
certificates.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from .conftest_programs import DAY_NS, NS_PER_S, START_NS, Host, Talker

pytestmark = pytest.mark.docker

FAST_PPM = 100_000
WAIT_S = 0.3
WAIT_ERROR_S = 0.005  # a millisecond's rounding, and the difference of two steered clocks
HOUR_S = 3600

PROGRAMS = {
    "python": ("python3", "/programs/clock.py"),
    "perl": ("perl", "/programs/clock.pl"),
    "bash": ("bash", "/programs/clock.bash"),
    "node": ("node", "/programs/clock.js"),
    "java": ("java", "-Xshare:auto", "-cp", "/programs", "Clock"),
}
WAYS_TO_WAIT = {
    "python": (
        "time.sleep",
        "Event.wait",
        "Lock.acquire",
        "threading.Timer",
        "Queue.get",
        "asyncio.sleep",
        "asyncio.wait_for",
        "select",
        "subprocess",
    ),
    "perl": ("sleep", "select", "alarm"),
    "bash": ("sleep", "timeout", "read"),
    "node": ("setTimeout", "AbortSignal", "Atomics.wait", "spawnSync"),
    "java": ("Thread.sleep", "Object.wait", "Future.get", "parkNanos"),
}


@pytest.fixture
def host(programs_host: Host) -> Host:
    programs_host.start_over()
    return programs_host


@pytest.fixture(scope="module", params=PROGRAMS)
def running(request: pytest.FixtureRequest, programs_host: Host) -> Iterator[tuple[str, Talker]]:
    """Each program in turn, its name first."""
    with programs_host.talk(*PROGRAMS[request.param]) as program:
        yield request.param, program


def readings(program: Talker) -> dict[str, tuple[int, int]]:
    """What a program says about now: name of the call -> its unit and what it read, in ns."""
    words = program.ask("now").split()
    triples = [words[i : i + 3] for i in range(0, len(words), 3)]
    return {name: (int(unit), int(ns)) for name, unit, ns in triples}


def wrong_readings(host: Host, program: Talker) -> dict[str, float]:
    """Calls that read what the page did not show while they were asked: seconds off."""
    before_ns = host.wall_ns()
    found = readings(program)
    after_ns = host.wall_ns()
    assert found
    return {
        name: (ns - before_ns) / NS_PER_S
        for name, (unit, ns) in found.items()
        if not before_ns // unit * unit <= ns <= after_ns
    }


def test_every_reading_is_the_pages_through_steps_and_drift(
    host: Host, running: tuple[str, Talker]
) -> None:
    _, program = running
    assert wrong_readings(host, program) == {}
    for by_ns in (DAY_NS, -2 * DAY_NS, NS_PER_S // 3):
        host.step(by_ns)
        assert wrong_readings(host, program) == {}
    host.drift(FAST_PPM)
    # In 0.2 s the clock gains 20 ms: a time computed ahead from the old rate is behind by then.
    deadline = time.monotonic() + 0.2
    while time.monotonic() < deadline:
        assert wrong_readings(host, program) == {}


def test_without_the_preload_every_reading_is_found_wrong(host: Host) -> None:
    """The check above can fail, for each call of each program."""
    for name, argv in PROGRAMS.items():
        with host.talk("env", "-u", "LD_PRELOAD", *argv) as program:
            wrong = wrong_readings(host, program)
            assert wrong.keys() == readings(program).keys(), name
            assert min(wrong.values()) > DAY_NS / NS_PER_S, name


def test_waits_last_as_long_as_they_should_while_the_clock_is_stepped(
    host: Host, running: tuple[str, Talker]
) -> None:
    name, program = running
    for way in WAYS_TO_WAIT[name]:
        began_s = time.monotonic()
        assert program.ask(f"wait {way} {WAIT_S}") == "begun"
        host.step(DAY_NS)
        host.step(-2 * DAY_NS)
        # A wait for a wall time would now go on for a day: hear() gives up long before.
        assert program.hear() == "ended", way
        assert time.monotonic() - began_s >= WAIT_S - WAIT_ERROR_S, way


def test_java_parked_until_a_wall_time_is_woken_by_the_step_that_brings_it(host: Host) -> None:
    with host.talk(*PROGRAMS["java"]) as program:
        assert program.ask(f"wait parkUntil {HOUR_S}") == "begun"
        host.step(HOUR_S * NS_PER_S)
        assert program.hear() == "ended"
        assert host.wall_ns() >= START_NS + HOUR_S * NS_PER_S


def test_date_tells_it_and_sets_it(host: Host) -> None:
    for by_ns in (0, DAY_NS, -2 * DAY_NS):
        host.step(by_ns)
        before_ns = host.wall_ns()
        shown_ns = int(host.inside("date", "+%s%N"))
        assert before_ns <= shown_ns <= host.wall_ns()
    host.inside("date", "-u", "-s", "2031-05-06 07:08:09")
    assert 0 <= host.wall_ns() - 1_935_817_689 * NS_PER_S < HOUR_S * NS_PER_S


def test_file_times_are_the_hosts_as_documented(host: Host) -> None:
    before_s = int(time.time())
    host.inside("touch", "/tmp/touched")
    assert before_s <= int(host.inside("stat", "-c", "%Y", "/tmp/touched")) <= time.time()
