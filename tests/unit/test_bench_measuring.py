"""The benchmarks' parts that can be tried without a lab: clocks, statements, the generator."""

from __future__ import annotations

import asyncio
import re
import shutil
import subprocess
import sys
from collections import Counter
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ntplab
from booking.policies.unique import RESERVE
from ntplab.bench import (
    Bench,
    Figure,
    Skipped,
    bring_up,
    clockpages,
    convergence,
    database,
    discipline,
    generator,
    reading,
)
from ntplab.bench.labs import plan_of, standing
from ntplab.bench.measuring import CannotMeasure
from ntplab.bench.samples import ClockSamples, seconds_until_within, worst_p99_us
from ntplab.bench.throughput import PARAMETERS, parse_tps, pgbench_script
from ntplab.driver.base import ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.errors import LabError, NodeError
from ntplab.units import NS_PER_S

PACKAGE = Path(ntplab.__file__).parent
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
    monkeypatch.setattr(reading, "RUNS", 2)
    monkeypatch.setattr(reading, "CALLS", 20)
    monkeypatch.setattr(reading, "find_libfaketime", lambda: None)
    setting = Bench(FakeDriver, tmp_path, lambda _words: None, frozenset(reading.ABOUT))
    found = {outcome.name: outcome for outcome in reading.measure(setting)}
    assert set(found) == set(reading.ABOUT)
    for name, outcome in found.items():
        if "faketime" in name:
            assert isinstance(outcome, Skipped)
            assert "package faketime" in outcome.reason
        else:
            assert isinstance(outcome, Figure)
            assert min(outcome.ours, outcome.other, outcome.ratio) > 0


@needs_compiler
def test_a_page_that_is_slewed_is_corrected_in_every_second(tmp_path: Path) -> None:
    build = clockpages.build_library(tmp_path)
    page = tmp_path / "page"
    environment = clockpages.make_page(build, page)
    clockpages.slew(build, page)
    source = (
        "import ctypes; from ntplab.hostclock import Timex; t = Timex(modes=0); "
        "ctypes.CDLL(None).adjtimex(ctypes.byref(t)); print(t.status, t.offset)"
    )
    paths = {"PYTHONPATH": str(PACKAGE.parent), **environment}
    done = subprocess.run(
        [sys.executable, "-c", source], env=paths, capture_output=True, text=True, check=True
    )
    status, offset_us = map(int, done.stdout.split())
    assert status & 0x0001
    # What is left of the offset: it loses a part of 2**12 a second.
    assert clockpages.SLEWED_US * 0.9 < offset_us <= clockpages.SLEWED_US


def test_a_page_that_cannot_be_made_is_no_figure() -> None:
    with pytest.raises(LabError, match="no clock page could be made: Permission denied"):
        clockpages.check(-13, "no clock page could be made")


def test_each_way_has_its_turn_in_every_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns: list[str] = []

    def time_reading(_program: object, way: reading.Way) -> float:
        turns.append(way.name)
        return float(len(turns))

    monkeypatch.setattr(reading, "RUNS", 3)
    monkeypatch.setattr(reading, "time_reading", time_reading)
    setting = Bench(FakeDriver, tmp_path, lambda _words: None)
    ways = [reading.Way("a", {}), reading.Way("b", {})]
    found = reading.in_turn(setting, "x", ["program"], ways)
    assert turns == ["b", "a", "a", "b", "b", "a"]
    assert found == {"a": [2.0, 3.0, 6.0], "b": [1.0, 4.0, 5.0]}


def test_a_counting_program_that_fails_is_named() -> None:
    program = [sys.executable, "-c", "import sys; sys.exit('no clock')"]
    with pytest.raises(LabError, match="failed, virtual") as caught:
        reading.time_reading(program, reading.Way("virtual", {}))
    assert list(caught.value.log_tail) == ["no clock"]


def test_a_machine_without_a_compiler_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotMeasure, match="gcc"):
        clockpages.build_library(tmp_path)


# --- chronyd ------------------------------------------------------------------------------

TRACKING = (
    "C0A80002,ntp1,2,1763800000.1,{},0.000000100,0.000000200,1.0,0.0,0.1,0.0001,0.00001,1.0,Normal"
)


def test_what_chronyd_x_adds_to_a_true_clock_is_its_error() -> None:
    assert discipline.parse_error_ns(TRACKING.format("0.000004290")) == pytest.approx(4_290)
    assert discipline.parse_error_ns(TRACKING.format("-0.000001000")) == pytest.approx(-1_000)
    with pytest.raises(LabError, match="something else"):
        discipline.parse_error_ns("506 Cannot talk to daemon")


def errors(*microseconds: float) -> discipline.Errors:
    return discipline.Errors.of([us * 1_000 for us in microseconds], "a clock")


def test_what_the_virtual_clock_adds_is_the_median_of_what_each_run_adds() -> None:
    assert errors(-3, 1, 2) == discipline.Errors(typical=2_000, middle=1_000)
    # The network's part differs from run to run, and is in both of a pair.
    pairs = [(errors(5), errors(4)), (errors(-19), errors(-20)), (errors(90), errors(40))]
    error, bias = discipline.figures(pairs)
    assert isinstance(error, Figure)
    assert isinstance(bias, Figure)
    assert (error.ours, error.runs, error.met) == (1.0, 3, True)
    assert (bias.ours, bias.runs, bias.met) == (1.0, 3, True)
    shifted = [(errors(-4), errors(-1)), (errors(-4), errors(-1))]
    assert [figure.met for figure in discipline.figures(shifted)] == [False, False]


def test_a_clock_that_nobody_saw_has_no_error() -> None:
    with pytest.raises(LabError, match="no error of the virtual clock was seen"):
        discipline.Errors.of([], "the virtual clock")


# --- PostgreSQL ---------------------------------------------------------------------------


def test_both_servers_are_asked_in_turn_and_their_container_is_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def run_pgbench(_handle: object, way: str) -> float:
        asked.append(way)
        return {"virtual": 99.0, "native": 100.0}[way]

    monkeypatch.setattr(database, "RUNS", 2)
    monkeypatch.setattr(database, "run_pgbench", run_pgbench)
    driver = FakeDriver()
    (figure,) = database.measure(Bench(lambda: driver, tmp_path, lambda _words: None))
    assert isinstance(figure, Figure)
    assert (figure.ratio, figure.met, figure.runs) == (0.99, True, 2)
    # After one of each to warm up.
    assert asked[2:] == ["native", "virtual", "virtual", "native"]
    assert driver.labs() == []


def test_only_one_of_the_servers_has_the_preload() -> None:
    commands: list[str] = []

    class Handle:
        def must(self, _node: str, argv: list[str]) -> str:
            commands.append(" ".join(argv))
            return ""

        def exec(self, _node: str, _argv: list[str]) -> ExecResult:
            return ExecResult(0, "", "")

    for way in database.PORTS:
        database.start_server(Handle(), way)  # type: ignore[arg-type]
    virtual, native = (command for command in commands if "enter" in command)
    assert "-u LD_PRELOAD" in native
    assert "LD_PRELOAD" not in virtual
    assert "5433" in virtual
    assert "5434" in native


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
