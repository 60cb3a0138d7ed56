"""The command line as a process of its own: exit codes, what goes where, hints, variables.

None of it needs Docker: the engine's address names a socket that is not there.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ntplab import __version__
from simulated_lab import MS, SimPhase, Simulation, constant, races

REPO = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-P", "-m", "ntplab"]
CONCERT = str(REPO / "playbooks" / "scenarios" / "concert.yaml")
INVALID = REPO / "tests" / "golden" / "invalid"
NO_ENGINE = "unix:///nowhere/docker.sock"
ESCAPE = "\x1b"
WITHIN_S = 300
NEED_AN_ENGINE = (
    ["status"],
    ["ntp", "off"],
    ["clock", "show"],
    ["clock", "step", "lyon", "-5s"],
    ["exec", "lyon", "--", "date"],
    ["logs", "lyon"],
    ["up", CONCERT],
    ["run", CONCERT],
    ["demo"],
)


def environment(**variables: str) -> dict[str, str]:
    """This process's, without any setting of ntplab or of colors, and without an engine."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("NTPLAB_") and name not in ("FORCE_COLOR", "NO_COLOR")
    }
    return {
        **kept,
        "PYTHONPATH": str(REPO / "orchestrator"),
        "DOCKER_HOST": NO_ENGINE,
        "TERM": "xterm-256color",
        **variables,
    }


def ntplab(
    *argv: str, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *argv],
        cwd=cwd or REPO,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
    )


def last_hint(done: subprocess.CompletedProcess[str]) -> str:
    """The hint of an error; fails unless stderr is one error and one hint."""
    error, *_, hint = done.stderr.splitlines()
    assert error.startswith("error: "), done.stderr
    assert hint.startswith("hint: "), done.stderr
    return hint.removeprefix("hint: ")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one finished run, in which every seat was sold twice."""
    from ntplab.analysis import analyze
    from ntplab.evidence import seal, write_checksums

    folder = tmp_path_factory.mktemp("runs")
    expect = ["phases.ntp-off.bookings.double_bookings > 0"]
    off = SimPhase(
        "ntp-off",
        "off",
        races(4, 900 * MS),
        {"paris": constant(0), "lyon": constant(-5_000 * MS)},
        clocks="skewed",
    )
    run = Simulation(folder, expect=expect).play(off)
    seal(run)
    assert analyze(run.path).verdict == "met"
    write_checksums(run)
    return folder


# --- what goes where ----------------------------------------------------------------------


def test_the_version() -> None:
    done = ntplab("--version")
    assert (done.returncode, done.stdout, done.stderr) == (0, f"ntplab {__version__}\n", "")


@pytest.mark.parametrize("argv", [["--help"], ["clock", "step", "-h"]], ids=" ".join)
def test_help_is_data_and_speaks_of_ntplab(argv: list[str]) -> None:
    done = ntplab(*argv)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(" ".join(["Usage: ntplab", *argv[:-1], "[OPTIONS]"]))


def test_the_list_of_verbs_is_whole() -> None:
    listed = ntplab("-h").stdout.partition("Commands:\n")[2].partition("\n\n")[0]
    assert "..." not in listed
    assert len(listed.splitlines()) >= 17


def test_without_a_verb_the_help_and_exit_2() -> None:
    done = ntplab()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: ntplab [OPTIONS] COMMAND")


def test_results_to_stdout_and_the_next_command_to_stderr() -> None:
    done = ntplab("validate", CONCERT)
    assert (done.returncode, done.stdout) == (0, f"{CONCERT}: valid\n")
    assert done.stderr == f"next: ./ntplab plan {CONCERT}\n"


@pytest.mark.parametrize(
    "argv",
    [
        ["validate", CONCERT],
        ["plan", CONCERT],
        ["analyze"],
        ["verify"],
        ["runs", "list"],
        ["runs", "show"],
    ],
    ids=" ".join,
)
def test_quiet_says_nothing_but_results(argv: list[str], runs: Path) -> None:
    done = ntplab("-q", *argv, NTPLAB_RUNS=str(runs))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("argv", [["doctor"], ["runs", "show"], ["status"]], ids=" ".join)
def test_no_escape_codes_without_a_terminal(argv: list[str], runs: Path) -> None:
    done = ntplab(*argv, NTPLAB_RUNS=str(runs))
    assert ESCAPE not in done.stdout + done.stderr


def on_a_terminal(*argv: str, **variables: str) -> str:
    """What a user sees: both streams are one pseudo-terminal."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [*COMMAND, *argv],
        cwd=REPO,
        env=environment(**variables),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = bytearray()
    try:
        while chunk := os.read(ours, 4096):
            seen += chunk
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
        process.wait(WITHIN_S)
    return seen.decode()


def test_colors_on_a_terminal_unless_no_color() -> None:
    assert ESCAPE + "[" in on_a_terminal("status")
    plain = on_a_terminal("status", NO_COLOR="1")
    assert "error: Docker Engine" in plain
    assert ESCAPE not in plain


# --- exit codes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("argv", "error", "hint"),
    [
        (["nope"], "no such command 'nope'", "./ntplab -h shows how to use it"),
        (["--nope"], "no such option: --nope", "./ntplab -h shows how to use it"),
        (["validate"], "missing argument 'FILE'", "./ntplab validate -h shows how to use it"),
        (["clock"], "missing command", "./ntplab clock -h shows how to use it"),
        (
            ["validate", "-v", CONCERT],
            "no such option: -v",
            "-v and -q come before the verb: ./ntplab -v run FILE",
        ),
        (["clock", "step", "lyon", "5"], "'5' has no unit", "write 5s or 5ms"),
        (["clock", "wander", "lyon", "-5ppm"], "VALUE is too small", "write 0.05ppm"),
        (
            ["clock", "temperature", "lyon", "5ppm", "--period", "1ms"],
            "--period is too small",
            "write 1s or more",
        ),
        (
            ["clock", "strobe", "lyon", "-5ms", "--period", "1ms"],
            "--period is too small",
            "write 20ms or more",
        ),
        (["clock", "steady", "lyon", "drift"], "no model 'drift' to end", "there are: wander"),
        (["clock", "set", "lyon", "soon"], "'soon' is not a duration", "write one like 500ms"),
        (["clock", "drift", "lyon", "5s"], "'5s' has an unknown unit 's'", "use one of ppm"),
        (
            ["ntp", "off", "--method", "x"],
            "no method 'x' to switch NTP",
            "there are: daemon, network, sources",
        ),
        (["bench", "x"], "no benchmark x", "there are: clock, report, ui, clock_gettime"),
        (["test", "x"], "no tests of kind 'x'", "there are: unit, clock, lab, browser"),
    ],
    ids=lambda value: " ".join(value[-3:]) if isinstance(value, list) else "",
)
def test_usage_errors(argv: list[str], error: str, hint: str) -> None:
    done = ntplab(*argv)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[0] == f"error: {error}"
    assert last_hint(done).startswith(hint)


def test_an_invalid_scenario_with_all_its_errors_at_once() -> None:
    done = ntplab("validate", "issue.yaml", cwd=INVALID)
    expected = (INVALID / "issue.txt").read_text()
    count = sum(line.startswith("issue.yaml:") for line in expected.splitlines())
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == f"{expected}{count} problems found; nothing was started\n"


@pytest.mark.parametrize("verb", ["plan", "run"])
def test_every_verb_checks_the_scenario_before_anything_else(verb: str) -> None:
    done = ntplab(verb, "issue.yaml", cwd=INVALID)
    assert done.returncode == 3
    assert (INVALID / "issue.txt").read_text() in done.stderr


def test_an_override_that_is_wrong_is_named() -> None:
    done = ntplab("validate", CONCERT, "--set", "servers.lyon.clock.offset=5")
    assert done.returncode == 3
    assert "servers.lyon.clock.offset: '5' has no unit" in done.stderr


def test_problems_as_json() -> None:
    done = ntplab("validate", "issue.yaml", "--json", cwd=INVALID)
    document = json.loads(done.stdout)
    assert (done.returncode, done.stderr) == (3, "")
    assert (document["schema"], document["valid"]) == (1, False)
    assert document["problems"][0] == {
        "file": "issue.yaml",
        "line": 6,
        "where": "servers.paris.clokc",
        "what": "unknown key",
        "hint": "did you mean 'clock'?",
    }


@pytest.mark.parametrize("argv", [["analyze"], ["verify"], ["runs", "show"]], ids=" ".join)
def test_no_verdict_without_evidence(argv: list[str], tmp_path: Path) -> None:
    (tmp_path / "stranger").mkdir()
    for which in ("latest", "no-such-run", str(tmp_path / "stranger")):
        done = ntplab(*argv, which, NTPLAB_RUNS=str(tmp_path))
        assert (done.returncode, done.stdout) == (4, "")
        assert last_hint(done)


def test_a_tampered_run_is_violated(runs: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(runs, tmp_path / "runs", symlinks=True)
    events = next(copy.glob("synthetic/*/events.jsonl"))
    events.write_bytes(events.read_bytes().replace(b"phase.ended", b"phase.endes", 1))
    done = ntplab("verify", str(events.parent))
    assert done.returncode == 1
    assert "events.jsonl: changed since the run" in done.stdout


@pytest.mark.parametrize("argv", NEED_AN_ENGINE, ids=" ".join)
def test_without_an_engine_5_and_a_hint(argv: list[str], tmp_path: Path) -> None:
    done = ntplab(*argv, cwd=tmp_path)
    assert done.returncode == 5
    assert "Docker Engine" in done.stderr
    assert done.stderr.splitlines()[-1].startswith("hint: ")
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_doctor_without_an_engine() -> None:
    done = ntplab("doctor")
    assert (done.returncode, done.stderr) == (5, "")
    assert done.stdout.startswith("fail Docker Engine: Docker Engine does not answer")
    assert "     hint: " in done.stdout


def test_a_traceback_only_when_asked_for() -> None:
    assert "Traceback" not in ntplab("status").stderr
    assert "Traceback" in ntplab("-v", "status").stderr


def test_our_own_bug_is_70(tmp_path: Path) -> None:
    broken = tmp_path / "sitecustomize.py"
    broken.write_text("import ntplab.doctor\nntplab.doctor.examine = lambda connect: 1 // 0\n")
    path = f"{tmp_path}:{REPO / 'orchestrator'}"
    done = ntplab("doctor", PYTHONPATH=path)
    assert (done.returncode, done.stdout) == (70, "")
    assert done.stderr.splitlines() == [
        "error: our own bug: ZeroDivisionError: integer division or modulo by zero",
        "hint: run it again with `./ntplab -v ...` and report what it prints",
    ]
    assert "Traceback" in ntplab("-v", "doctor", PYTHONPATH=path).stderr


@pytest.fixture
def silent_engine(tmp_path: Path) -> Iterator[socket.socket]:
    """An engine that takes connections and never says a word."""
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "docker.sock"))
        listening.listen()
        listening.settimeout(WITHIN_S)
        yield listening


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted(number: signal.Signals, silent_engine: socket.socket) -> None:
    process = subprocess.Popen(
        [*COMMAND, "status"],
        env=environment(DOCKER_HOST=f"unix://{silent_engine.getsockname()}"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    connection, _ = silent_engine.accept()
    with connection:
        process.send_signal(number)
        _stdout, stderr = process.communicate(timeout=WITHIN_S)
    assert process.returncode == 130
    assert "Traceback" not in stderr


# --- JSON ---------------------------------------------------------------------------------


def document_of(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.stderr == ""
    document = json.loads(done.stdout)
    assert document["schema"] == 1
    return document


@pytest.mark.parametrize(
    ("argv", "exit_code", "keys"),
    [
        (["validate", CONCERT], 0, {"file", "scenario", "valid"}),
        (["plan", CONCERT], 0, {"plan", "actions"}),
        (["doctor"], 5, {"ok", "checks"}),
        (["analyze"], 0, {"verdict", "phases", "expectations"}),
        (["verify"], 0, {"run", "ok", "differences"}),
        (["runs", "list"], 0, {"runs"}),
        (["runs", "show"], 0, {"verdict", "phases", "expectations"}),
        (["bench", "--list"], 0, {"benchmarks"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_one_json_document_and_nothing_else(
    argv: list[str], exit_code: int, keys: set[str], runs: Path
) -> None:
    done = ntplab(*argv, "--json", NTPLAB_RUNS=str(runs))
    assert done.returncode == exit_code
    assert keys <= document_of(done).keys()


def test_no_json_at_all_where_there_is_no_answer() -> None:
    done = ntplab("status", "--json")
    assert (done.returncode, done.stdout) == (5, "")


# --- variables ----------------------------------------------------------------------------


def test_variables_of_flags(tmp_path: Path, runs: Path) -> None:
    assert document_of(ntplab("validate", CONCERT, NTPLAB_VALIDATE_JSON="1"))["valid"] is True
    assert ntplab("validate", CONCERT, NTPLAB_QUIET="1").stderr == ""
    assert "Traceback" in ntplab("status", NTPLAB_VERBOSE="1").stderr
    overrides = "seed=7 servers.lyon.clock.offset=0s"
    plan = document_of(ntplab("plan", CONCERT, "--json", NTPLAB_PLAN_SET=overrides))["plan"]
    lyon = next(server for server in plan["servers"] if server["name"] == "lyon")
    assert (plan["seed"], lyon["clock"]["offset_ns"]) == (7, 0)


def test_a_verb_s_own_variable_is_stronger_than_the_shared_and_the_flag_strongest(
    tmp_path: Path, runs: Path
) -> None:
    def listed(*argv: str, **variables: str) -> int:
        return len(document_of(ntplab("runs", "list", "--json", *argv, **variables))["runs"])

    full, empty = str(runs), str(tmp_path)
    assert listed(NTPLAB_RUNS=full) == 1
    assert listed(NTPLAB_RUNS=full, NTPLAB_RUNS_LIST_RUNS=empty) == 0
    assert listed("--runs", full, NTPLAB_RUNS=empty, NTPLAB_RUNS_LIST_RUNS=empty) == 1


def test_a_variable_cannot_turn_every_verb_into_another() -> None:
    done = ntplab("validate", CONCERT, NTPLAB_VERSION="1", NTPLAB_HELP="1")
    assert done.stdout == f"{CONCERT}: valid\n"
