"""Sweeps through the real command line: nothing finished is lost, nothing is left behind."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import docker
import pytest

from .kit import COMMAND, REPO, SCENARIOS, Cli, environment, events, labelled, wait_for

SHIPPED = REPO / "playbooks" / "scenarios" / "how-good-must-ntp-be.yaml"
SWEPT = str(SCENARIOS / "swept.yaml")
LATE_S = 600


def journal(directory: Path) -> list[dict[str, Any]]:
    path = directory / "journal.json"
    return json.loads(path.read_text())["attempts"] if path.exists() else []


def lab_of(point: Path) -> str:
    """The lab that a point ran in, as its own events say."""
    return str(next(e["lab"] for e in events(point) if e["event"] == "run.started"))


def measuring(point: Path) -> bool:
    return any(e["event"] == "phase.measuring" for e in events(point))


def end_all(*processes: subprocess.Popen[str]) -> None:
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(LATE_S)


def killed_in_the_second_point(cli: Cli) -> tuple[Path, str]:
    """A sweep that SIGKILL ended while its second point measured: directory, lab."""
    process = cli.start("run", SWEPT, "--out", "sweep")
    directory = cli.cwd / "sweep"
    second = directory / "points" / "0002-1"
    try:
        wait_for("the second point", lambda: process.poll() or measuring(second), LATE_S)
        assert process.poll() is None, process.communicate()[0]
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=LATE_S)
    finally:
        end_all(process)
    return directory, lab_of(second)


def test_a_killed_sweep_goes_on_and_a_server_that_dies_is_marked(cli: Cli) -> None:
    directory, lab = killed_in_the_second_point(cli)
    before = journal(directory)
    assert [(a["point"], a["state"]) for a in before] == [(1, "finished")]
    kept = (directory / "points" / "0001-1" / "SHA256SUMS").read_bytes()
    assert cli.json("analyze", "sweep", exit_code=4)["verdict"] == "unknown"
    cli("down", "--lab", lab)
    assert labelled(lab) == []

    process = cli.start("run", "--resume", "sweep", "--json")
    third = directory / "points" / "0003-1"
    try:
        wait_for("the third point", lambda: process.poll() or measuring(third), LATE_S)
        client = docker.from_env()
        client.containers.get(f"ntplab-{lab_of(third)}-lyon").kill()
        client.close()
        output, _ = process.communicate(timeout=LATE_S)
    finally:
        end_all(process)
    assert process.returncode == 0, output

    assert (directory / "points" / "0001-1" / "SHA256SUMS").read_bytes() == kept
    states = [(a["point"], a["folder"][-1], a["state"]) for a in journal(directory)]
    assert states == [
        (1, "1", "finished"),
        (2, "2", "finished"),  # 0002-1 is what the kill left, kept beside it
        (3, "1", "failed"),
        (3, "2", "finished"),
        (4, "1", "finished"),
    ]
    results = cli.json("runs", "show", "sweep")
    assert results["verdict"] == "met"
    assert results["axes"]["skew"] == ["0s", "-5s"]
    assert [point["number"] for point in results["points"]] == [1, 2, 3, 4]
    assert "lyon died" in results["points"][2]["failed"][0]["reason"]
    assert results["notes"] == [
        f"point 3 was tried again: {results['points'][2]['failed'][0]['reason']}"
    ]
    assert labelled(lab_of(directory / "points" / "0004-1")) == []
    # The last point follows in the lab of the one before: nothing was started again for it.
    assert results["points"][3]["restarted"] == []
    cli("verify", "sweep")
    assert cli.json("analyze", "sweep") == results
    cli("verify", "sweep")
    compared = cli.json("runs", "compare", "sweep", "sweep")
    assert compared["scenario"] == []
    assert len(compared["rows"]) == 4


def test_a_sweep_that_is_interrupted_leaves_nothing_running_and_says_how_to_go_on(
    cli: Cli,
) -> None:
    process = cli.start("run", SWEPT, "--out", "sweep")
    first = cli.cwd / "sweep" / "points" / "0001-1"
    try:
        wait_for("the first point", lambda: process.poll() or measuring(first), LATE_S)
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=LATE_S)
    finally:
        end_all(process)
    assert process.returncode == 130, output
    assert labelled(lab_of(first)) == []
    assert "./ntplab run --resume sweep" in output
    assert (first / "evidence" / "clock.jsonl").stat().st_size > 0
    done = cli("runs", "show", "sweep")
    assert "it was not run" in done.stdout


def test_two_runs_at_once_do_not_disturb_each_other(cli: Cli) -> None:
    """Both run a shipped scenario in little: two points of two trials each."""
    argv = (
        "run", str(SHIPPED), "--json", "--set", "phases.load.trials=2",
        "--set", "phases.load.duration=3500ms", "--set", "sweep.grid.wait.values=[1300ms]",
        "--set", "sweep.grid.skew.values=[0s,2s]",
    )  # fmt: skip
    processes = [cli.start(*argv, "--out", name, "--seed", name[-1]) for name in ("run1", "run2")]
    try:
        outputs = [process.communicate(timeout=LATE_S)[0] for process in processes]
    finally:
        end_all(*processes)
    assert [process.returncode for process in processes] == [0, 0], outputs
    labs = []
    for name in ("run1", "run2"):
        point = cli.cwd / name / "points" / "0002-1"
        (phase,) = json.loads((point / "results.json").read_text())["phases"]
        assert phase["evidence"]["complete"]
        assert phase["bookings"]["failed_requests"] == 0
        trials = [trial["bookings"]["double_bookings"] for trial in phase["trials"]]
        assert sum(trials) == phase["bookings"]["double_bookings"] > 0
        assert len(trials) == 2
        cli("verify", name)
        labs.append(lab_of(point))
    assert labs[0] != labs[1]
    assert labelled(labs[0]) == labelled(labs[1]) == []


def own_mounts() -> bool:
    return subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not own_mounts(), reason="mounting a small disk needs a mount namespace")
def test_a_full_disk_ends_a_run_clearly_and_what_was_collected_is_valid(cli: Cli) -> None:
    """The run directory lies on a disk of its own that gets full while clocks are watched."""
    script = """
        mount -t tmpfs -o size=8m tmpfs "$1" && cd "$1" || exit 99; shift
        "$@" >../said 2>&1 & run=$!
        until grep -qs phase.measuring out/events.jsonl && grep -qs lyon out/evidence/clock.jsonl
        do kill -0 $run || exit 98; sleep 0.1; done
        cat /dev/zero >filler
        wait $run; echo $? >../code; cp -R out ..
    """
    disk = cli.cwd / "disk"
    disk.mkdir()
    argv = [*COMMAND, "run", str(SCENARIOS / "brief.yaml"), "--out", "out"]
    done = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(disk), *argv],
        env=environment(), capture_output=True, text=True, check=False,
    )  # fmt: skip
    said = (cli.cwd / "said").read_text()
    assert (done.returncode, (cli.cwd / "code").read_text().strip()) == (0, "5"), said
    assert "No space left on device" in said
    assert "hint: free some space" in said
    assert "Traceback" not in said
    analyzed = cli.json("analyze", "out", exit_code=4)
    assert analyzed["phases"][0]["divergence"]["servers"]["lyon"]["samples"] > 0
    assert analyzed["notes"] == [note for note in analyzed["notes"] if "cut off" not in note]
    assert labelled(events(cli.cwd / "out")[0]["lab"]) == []


def test_bad_input_is_refused_with_its_place_before_anything_starts(cli: Cli) -> None:
    for setting, place in (
        ("sweep.grid.skew.key=servers.lyon.clok.offset", "servers.lyon.clok: unknown key"),
        ("sweep.grid=[]", "sweep: an empty sweep has no points"),
        ("sweep.grid.skew.values=[]", "sweep.grid.skew.values: needs at least 1, has 0"),
        ("sweep.expect=[points.phases.load.bookings.double_bokings == 0]", "double_bookings"),
        ("seed=one", "seed: expected a whole number, not 'one'"),
    ):
        done = cli("run", SWEPT, "--set", setting, exit_code=3)
        assert place in done.stderr
        assert "nothing was started" in done.stderr
    assert not (cli.cwd / "runs").exists()
