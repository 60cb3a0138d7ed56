"""The benchmarks' parts that can be tried without a lab: clocks, statements, the generator."""

from __future__ import annotations

import asyncio
import re
import shutil
import sys
from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from booking.policies.unique import RESERVE
from ntplab.bench import Bench, Figure, Skipped, bring_up, convergence, generator, reading
from ntplab.bench.labs import plan_of, standing
from ntplab.bench.samples import ClockSamples, seconds_until_within, worst_p99_us
from ntplab.bench.throughput import PARAMETERS, parse_tps, pgbench_script
from ntplab.driver.fake import FakeDriver
from ntplab.errors import LabError, NodeError
from ntplab.units import NS_PER_S

MS = 1_000_000
LIMIT_NS = MS


# --- clocks -------------------------------------------------------------------------------


def clock(*divergences_ms: float) -> list[tuple[int, int]]:
    """Samples a second apart, the first at lab time 0."""
    return [(i * NS_PER_S, round(d * MS)) for i, d in enumerate(divergences_ms)]


@pytest.mark.parametrize(
    ("clocks", "seconds"),
    [
        ([clock(5, 0.5, 0.5)], 1.0),
        ([clock(5, 0.5, 0.5), clock(-5, -5, -0.5)], 2.0),
        ([clock(5, 0.5, -3, 0.5)], 3.0),
        ([clock(0.5, 1.0)], 0.0),
        ([clock(0.5, 1.001)], None),
        ([clock(0.5), []], None),
    ],
)
def test_within_for_good_is_since_the_last_time_outside(
    clocks: list[list[tuple[int, int]]], seconds: float | None
) -> None:
    assert seconds_until_within(clocks, 0, LIMIT_NS) == seconds


@given(st.lists(st.integers(-(10**12), 10**12), min_size=1, max_size=300))
def test_p99_leaves_out_at_most_one_in_a_hundred(divergences_ns: list[int]) -> None:
    found = worst_p99_us([list(enumerate(divergences_ns)), [(0, 0)]]) * 1000
    sizes = [abs(d) for d in divergences_ns]
    assert sum(size > found + 0.5 for size in sizes) <= len(sizes) // 100
    assert found <= max(sizes) + 0.5


def test_samples_are_those_of_the_window_and_of_clocks_only() -> None:
    samples = ClockSamples()
    rows = [{"node": "s", "lab_ns": t, "divergence_ns": -t, "wall_ns": 0} for t in range(10)]
    samples.append("clock", rows)
    samples.append("belief", [{"node": "s"}])
    assert samples.window(["s", "other"], 3, 5) == {"s": [(3, -3), (4, -4), (5, -5)], "other": []}
    assert len(samples.window(["s"], 3)["s"]) == 7


@given(st.integers(0, 1000))
def test_wrong_clocks_are_within_what_is_allowed_and_the_worst_are_among_them(number: int) -> None:
    servers = [f"server{i}" for i in range(1, 6)]
    settings = convergence.wrong_clocks(servers, number)
    assert [s.node for s in settings] == servers
    assert {(s.offset_ns, s.drift_ppm) for s in settings} >= {
        (-5 * NS_PER_S, -50.0),
        (5 * NS_PER_S, 50.0),
    }
    assert all(abs(s.offset_ns) <= 5 * NS_PER_S and abs(s.drift_ppm) <= 50 for s in settings)


def test_the_load_is_the_demos_for_the_whole_window() -> None:
    phase = convergence.demo_phase()
    assert phase.duration_ns == convergence.WINDOW_NS
    assert {load.kind for load in phase.load} == {"races", "hot-spot"}


# --- labs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("running", [True, False])
def test_daemons_run_from_the_start_only_where_that_is_wanted(running: bool) -> None:
    plan = plan_of(3, "unique", ntp_running=running)
    assert len(plan.servers) == 3
    assert {server.ntp_at_start for server in plan.servers} == {running}
    assert all(s.clock.offset_ns == 0 and s.clock.drift_ppm == 0 for s in plan.servers)


def test_a_lab_that_does_not_come_up_is_removed() -> None:
    driver = FakeDriver()
    driver.fail("start", "observer", NodeError("no room"))
    plan = plan_of(1, "unique", ntp_running=True)
    with pytest.raises(NodeError, match="no room"), standing(driver, plan):
        raise AssertionError("it is not up")
    assert driver.labs() == []


def test_sleeping_containers_are_removed_also_when_one_does_not_start() -> None:
    driver = FakeDriver()
    assert bring_up.start_sleeping(driver) > 0
    assert len(driver.called("start")) == bring_up.SERVERS
    assert driver.labs() == []
    driver.fail("start", "sleeper3", NodeError("no room"))
    with pytest.raises(NodeError, match="no room"):
        bring_up.start_sleeping(driver)
    assert driver.labs() == []


# --- reading ------------------------------------------------------------------------------

needs_compiler = pytest.mark.skipif(
    not (shutil.which("cc") and shutil.which("make")), reason="no C compiler and make"
)


@needs_compiler
def test_reading_is_measured_natively_and_virtually(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "RUNS", 1)
    monkeypatch.setattr(reading, "CALLS", 20)
    monkeypatch.setattr(reading, "find_libfaketime", lambda: None)
    setting = Bench(FakeDriver, tmp_path, lambda _words: None, frozenset(reading.ABOUT))
    native, *others = list(reading.measure(setting))
    assert isinstance(native, Figure)
    assert native.ours > 0
    assert native.other > 0
    assert [type(other) for other in others] == [Skipped, Skipped]
    assert "package faketime" in str(others)


def test_a_machine_without_a_compiler_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(reading.CannotMeasure, match="gcc"):
        reading.build_library(tmp_path)


# --- throughput ---------------------------------------------------------------------------


def test_pgbench_runs_the_services_own_statement_with_a_value_for_each_parameter() -> None:
    lines = pgbench_script(RESERVE).splitlines()
    settings, statement = lines[:PARAMETERS], "\n".join(lines[PARAMETERS:])
    assert [line.split()[:2] for line in settings] == [
        ["\\set", f"p{number}"] for number in range(1, PARAMETERS + 1)
    ]
    assert re.sub(r":p(\d+)", r"$\1", statement).strip() == RESERVE.strip() + ";"


@pytest.mark.parametrize("statement", ["SELECT 1", "SELECT $1", "SELECT $1, $12"])
def test_a_statement_with_other_parameters_is_not_guessed_at(statement: str) -> None:
    with pytest.raises(LabError, match="other parameters"):
        pgbench_script(statement)


def test_the_rate_of_pgbench_is_read() -> None:
    report = "latency average = 1.3 ms\ntps = 5751.201 (without initial connection time)\n"
    assert parse_tps(report) == 5751.201
    with pytest.raises(LabError, match="no rate"):
        parse_tps("pgbench: error: connection failed")


@given(
    st.binary(max_size=40),
    st.sampled_from([200, 201, 409]),
    st.booleans(),
)
def test_an_answer_is_whole_at_its_length_and_not_before(
    body: bytes, status: int, lower: bool
) -> None:
    name = b"content-length" if lower else b"Content-Length"
    whole = b"HTTP/1.1 %d X\r\n%b: %d\r\nA: b\r\n\r\n%b" % (status, name, len(body), body)
    assert generator.answered(whole) == str(status)
    for cut in range(len(whole)):
        assert generator.answered(whole[:cut]) is None


async def serve(answers: Counter[str], keys: set[bytes]) -> asyncio.Server:
    """An HTTP server that sells every other seat."""
    numbers = count()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                length = re.search(rb"Content-Length: (\d+)", head)
                key = re.search(rb"Idempotency-Key: (\S+)", head)
                assert length is not None
                assert key is not None
                keys.add(key[1])
                await reader.readexactly(int(length[1]))
                status = "201 Created" if next(numbers) % 2 else "409 Conflict"
                answers[status[:3]] += 1
                # In two parts: an answer may come in any number of them.
                writer.write(f"HTTP/1.1 {status}\r\ncontent-length: 4\r\n\r\nse".encode())
                await writer.drain()
                writer.write(b"at")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    return await asyncio.start_server(handle, "127.0.0.1", 0)


async def test_the_generator_counts_answers_and_never_repeats_a_key() -> None:
    answers: Counter[str] = Counter()
    keys: set[bytes] = set()
    server = await serve(answers, keys)
    port = server.sockets[0].getsockname()[1]
    report = await generator.generate("127.0.0.1", port, 3, 0.0, 1.0)
    server.close()
    statuses = report["statuses"]
    assert isinstance(statuses, dict)
    assert set(statuses) == {"201", "409"}
    assert 0 < sum(statuses.values()) <= sum(answers.values())
    assert len(keys) == sum(answers.values())


async def test_a_server_that_hangs_up_is_reported() -> None:
    async def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    report = await generator.generate("127.0.0.1", port, 2, 0.0, 1.0)
    server.close()
    assert report["statuses"] == {"connection lost": 2}


def test_the_generator_needs_nothing_but_the_standard_library() -> None:
    source = Path(generator.__file__).read_text()
    modules = re.findall(r"^(?:import|from) (\w+)", source, re.MULTILINE)
    assert set(modules) <= sys.stdlib_module_names
