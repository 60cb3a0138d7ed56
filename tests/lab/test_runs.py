"""Whole runs: the verdict follows from the clocks, and nothing is lost or left behind."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from .kit import SCENARIOS, Cli, end, events, labelled, wait_for

BRIEF = str(SCENARIOS / "brief.yaml")


@pytest.fixture(scope="module")
def brief(tmp_path_factory: pytest.TempPathFactory) -> tuple[Cli, Path, Any]:
    """One run of brief.yaml: where, its run directory, its results."""
    cli = Cli(tmp_path_factory.mktemp("brief"))
    results = cli.json("run", BRIEF)
    return cli, (cli.cwd / "runs" / "latest").resolve(), results


def phase(results: Any, name: str) -> Any:
    return next(p for p in results["phases"] if p["name"] == name)


def test_wrong_clocks_sell_twice_and_ntp_cures_it(brief: tuple[Cli, Path, Any]) -> None:
    _, _, results = brief
    assert results["verdict"] == "met"
    off = phase(results, "ntp-off")
    assert off["bookings"]["double_bookings"] > 0
    assert off["bookings"]["unexplained"] == 0
    assert off["divergence"]["pairwise_max_ns"] == pytest.approx(5e9, rel=0.01)
    for name in ("control", "ntp-on"):
        assert phase(results, name)["bookings"]["double_bookings"] == 0
        assert phase(results, name)["bookings"]["opportunities"] > 0
    assert phase(results, "ntp-on")["divergence"]["p99_abs_ns"] < 1_000_000


def test_a_run_leaves_everything_that_is_promised(brief: tuple[Cli, Path, Any]) -> None:
    _, directory, _ = brief
    for name in (
        "manifest.json", "scenario.yaml", "plan.json", "rendered/lyon/chrony.conf",
        "rendered/ntp1/chrony.conf", "events.jsonl", "results.json", "report.html", "SHA256SUMS",
        "evidence/clock.parquet", "evidence/belief.parquet", "evidence/attempts.parquet",
        "evidence/claims.parquet", "evidence/reservations.parquet",
        "logs/lyon/tracking.log", "logs/lyon/container.log", "logs/observer/container.log",
    ):  # fmt: skip
        assert (directory / name).is_file(), name
    assert not list((directory / "evidence").glob("*.jsonl"))
    manifest = json.loads((directory / "manifest.json").read_text())
    assert {node["name"] for node in manifest["nodes"]} >= {"paris", "lyon", "db", "ntp1"}
    assert all(node["image_digest"] for node in manifest["nodes"])


def test_nothing_of_a_run_is_left_in_the_engine(brief: tuple[Cli, Path, Any]) -> None:
    _, directory, _ = brief
    assert labelled(events(directory)[0]["lab"]) == []


def test_verify_agrees_until_one_byte_of_evidence_changes(
    brief: tuple[Cli, Path, Any], tmp_path: Path
) -> None:
    cli, directory, _ = brief
    cli("verify", str(directory))
    path = directory / "evidence" / "attempts.parquet"
    original = path.read_bytes()
    changed = bytearray(original)
    changed[len(changed) // 2] ^= 1
    path.write_bytes(changed)
    try:
        done = cli("verify", str(directory), exit_code=1)
        assert "attempts.parquet" in done.stdout
    finally:
        path.write_bytes(original)
    cli("verify", str(directory))


def test_analyze_judges_again_and_runs_shows_it(brief: tuple[Cli, Path, Any]) -> None:
    cli, directory, results = brief
    assert cli.json("analyze", "latest") == results
    assert cli.json("runs", "show", "latest") == results
    listed = cli.json("runs", "list")["runs"]
    assert [run["run"] for run in listed] == [directory.name]
    assert listed[0]["verdict"] == "met"


def test_without_skew_nothing_is_sold_twice_and_the_run_says_violated(cli: Cli) -> None:
    """The outcome comes from the clocks, not from the script."""
    done = cli("run", BRIEF, "--set", "servers.lyon.clock.offset=0s", exit_code=1)
    assert "FAIL phases.ntp-off.bookings.double_bookings > 0   observed: 0" in done.stdout
    assert "verdict: violated" in done.stdout


def test_a_run_goes_on_when_a_server_dies(cli: Cli) -> None:
    results = cli.json("run", str(SCENARIOS / "fatal.yaml"), exit_code=None)
    directory = (cli.cwd / "runs" / "latest").resolve()
    kinds = [event["event"] for event in events(directory)]
    assert "node.died" in kinds
    assert kinds[-1] == "lab.step" or "run.ended" in kinds
    only = phase(results, "only")
    assert only["evidence"]["servers_down"] == ["marseille"]
    assert only["bookings"]["failed_requests"] > 0
    assert (directory / "logs" / "marseille" / "container.log").is_file()
    assert only["divergence"]["servers"]["lyon"]["max_abs_ns"] > 86_400e9


def started_run(cli: Cli, *, until_phase: str) -> tuple[Any, Path, str]:
    """A run in a process of its own, once it measures `until_phase`: process, directory, lab."""
    process = cli.start("run", BRIEF, "--out", "out")
    directory = cli.cwd / "out"

    def measuring() -> bool:
        assert process.poll() is None, process.communicate()[0]
        return any(
            e["event"] == "phase.measuring" and e["phase"] == until_phase for e in events(directory)
        )

    wait_for(f"phase {until_phase}", measuring, timeout_s=120)
    return process, directory, events(directory)[0]["lab"]


def test_a_killed_orchestrator_loses_nothing_it_had_and_down_cleans_up(cli: Cli) -> None:
    process, _, lab = started_run(cli, until_phase="ntp-off")
    code, _ = end(process, signal.SIGKILL)
    assert code == -signal.SIGKILL
    assert labelled(lab)
    done = cli.json("analyze", "out", exit_code=4)
    assert done["verdict"] == "unknown"
    control = phase(done, "control")
    assert control["bookings"]["attempts"] > 0
    assert control["bookings"]["double_bookings"] == 0
    assert control["evidence"]["complete"]
    assert not phase(done, "ntp-off")["evidence"]["complete"]
    cli("down", "--lab", lab)
    assert labelled(lab) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda n: n.name)
def test_an_interrupt_removes_the_lab_and_keeps_the_evidence(
    cli: Cli, number: signal.Signals
) -> None:
    process, directory, lab = started_run(cli, until_phase="control")
    process.send_signal(number)
    wait_for("cleaning up", lambda: events(directory)[-1]["event"] != "phase.measuring")
    code, output = end(process, number)  # impatience changes nothing
    assert code == 130, output
    assert labelled(lab) == []
    assert (directory / "evidence" / "clock.parquet").is_file()
    assert events(directory)[-1]["event"] in ("run.interrupted", "lab.step")
    assert str(directory) in output
    cli("analyze", "out", exit_code=4)


def test_a_run_whose_clocks_do_not_settle_fails_with_what_it_saw(cli: Cli) -> None:
    settle = ["--set", "phases.ntp-on.settle.limit=1us", "--set", "phases.ntp-on.settle.timeout=2s"]
    brief = ["--set", "phases.control.duration=2s", "--set", "phases.ntp-off.duration=2s"]
    # Two seconds of load need not meet what the scenario expects of the other phases.
    brief += ["--set", "expect=[phases.ntp-on.bookings.double_bookings == 0]"]
    done = cli("run", BRIEF, *settle, *brief, exit_code=5)
    assert "error: phase ntp-on: " in done.stderr
    assert "from true time 2s after NTP was switched on; the limit is 1us" in done.stderr
    assert "hint:" in done.stderr
    directory = (cli.cwd / "runs" / "latest").resolve()
    assert labelled(events(directory)[0]["lab"]) == []
    cli("analyze", exit_code=4)
