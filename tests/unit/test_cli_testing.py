"""What `./ntplab test` makes of several pytests: which, one after another, and one end of all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ntplab.cli.test import KINDS
from ntplab.cli.testing import (
    PARTS,
    Outcome,
    exit_code,
    goes_on,
    parts_of,
    run_pytest,
    summary,
)

REPO = Path(__file__).resolve().parents[2]
# A file that lies elsewhere is run as one of this repository is.
AS_HERE = ("-c", str(REPO / "pyproject.toml"), "-p", "tests.conftest", "-p", "no:cacheprovider")
LIMIT_S = 300

SAMPLE = """
import pytest

def test_good(): pass
def test_bad(): assert False
@pytest.mark.skip
def test_other(): pass
"""

# Clears away longer than subprocess.run() waits for a program that was interrupted.
ENDLESS = """
import pathlib, threading, time
import pytest

HERE = pathlib.Path(__file__).parent

@pytest.fixture
def lab():
    yield
    time.sleep(1)
    (HERE / "cleared").touch()

def test_endless(lab):
    (HERE / "started").touch()
    threading.Event().wait()
"""

RUN = """
import os, sys
from ntplab.cli.testing import run_pytest
try:
    run_pytest(sys.argv[1:], os.environ)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_the_lab_comes_after_all_that_runs_in_parallel() -> None:
    assert [(kinds, how[-1]) for kinds, how in parts_of(KINDS)] == [
        (["unit", "clock"], "parallel"),
        (["vps", "lab", "browser"], "labs"),
        (["clock", "lab"], "alone"),
    ]
    assert [(kinds, how[-1]) for kinds, how in parts_of(["clock"])] == [
        (["clock"], "parallel"), (["clock"], "alone")
    ]  # fmt: skip


def test_every_test_is_in_one_of_the_parts() -> None:
    every = collected()
    parts = {name: collected("--part", name) for name in PARTS}
    assert sorted(test for part in parts.values() for test in part) == sorted(every)
    files = {name: {test.split("::")[0] for test in part} for name, part in parts.items()}
    assert {file.split("/")[1] for file in files["parallel"]} == {"clock", "golden"}
    assert {file.split("/")[1] for file in files["labs"]} == {"lab", "vps"}
    assert files["alone"] > {"tests/clock/test_differential.py", "tests/lab/test_bench_clock.py"}


def collected(*options: str) -> set[str]:
    command = [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, *options, "tests/clock", "tests/golden", "tests/lab", "tests/vps"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in done.stdout.splitlines() if "::" in line}


@pytest.mark.parametrize(
    ("codes", "together"),
    [([0, 0], 0), ([1, 0], 1), ([0, 1], 1), ([5, 0], 0), ([5, 1], 1), ([5, 5], 5), ([2], 2)],
)
def test_the_exit_code_is_that_of_one_pytest(codes: list[int], together: int) -> None:
    assert exit_code([Outcome(code, {}, []) for code in codes]) == together


def test_a_pytest_that_was_stopped_is_the_last() -> None:
    assert [goes_on(Outcome(code, {}, [])) for code in range(6)] == [
        *(True, True, False, False, False, True)
    ]


@pytest.mark.parametrize("how", [(), ("-n", "2")], ids=["serial", "parallel"])
def test_parts_are_summed_up_with_the_names_of_what_failed(
    tmp_path: Path, how: tuple[str, ...]
) -> None:
    sample = tmp_path / "test_sample.py"
    sample.write_text(SAMPLE)
    outcome = run_pytest([*AS_HERE, *how, str(sample)], os.environ)
    assert outcome.code == 1
    assert outcome.counts == {"passed": 1, "failed": 1, "skipped": 1}
    told = summary([outcome, Outcome(0, {"passed": 2}, [])]).splitlines()
    assert [line.split("::")[-1] for line in told] == [
        *("test_bad", "all together: 1 failed, 3 passed, 1 skipped"),
    ]


def test_what_stops_at_the_first_failure_is_not_gone_on_with(tmp_path: Path) -> None:
    sample = tmp_path / "test_sample.py"
    sample.write_text(SAMPLE)
    assert not goes_on(run_pytest([*AS_HERE, "-n", "2", "-x", str(sample)], os.environ))


@pytest.mark.parametrize("how", ["Ctrl-C", "SIGTERM"])
def test_an_interrupted_pytest_clears_away_first(tmp_path: Path, how: str) -> None:
    sample = tmp_path / "test_sample.py"
    sample.write_text(ENDLESS)
    with subprocess.Popen(
        [sys.executable, "-c", RUN, *AS_HERE, str(sample)],
        env={**os.environ, "PYTHONPATH": str(REPO / "orchestrator")},
        stdout=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        try:
            deadline = time.monotonic() + LIMIT_S
            while not (tmp_path / "started").exists():
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.01)
            if how == "Ctrl-C":  # goes to every program of the terminal
                os.killpg(process.pid, signal.SIGINT)
            else:
                process.terminate()
            assert process.wait(LIMIT_S) == 130
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
    assert (tmp_path / "cleared").exists()
