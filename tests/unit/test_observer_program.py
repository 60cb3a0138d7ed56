"""`ntplab-observer` as a process, on real clock pages made by the real C library."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
S = 1_000_000_000
ANCHOR_NS = 1_790_000_000 * S
BEHIND_NS = 5 * S
DRIFT = 50e-6
"""How fast lyon is."""


class Observer:
    """Two clocks in a directory, and the program run on them."""

    def __init__(self, directory: Path, library: Path) -> None:
        self.directory = directory
        nodes = [self.node("paris", 0, 0.0), self.node("lyon", -BEHIND_NS, 50.0)]
        self.config: dict[str, Any] = {"sample_hz": 100, "belief_hz": 1, "nodes": nodes}
        self.configure()
        self.environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(REPOSITORY / "images/observer"),
            "NTPLAB_ANCHOR_NS": str(ANCHOR_NS),
            "NTPLAB_OBSERVER_CONFIG": str(directory / "observer.json"),
            "NTPLAB_VCLOCK_LIBRARY": str(library),
        }

    def configure(self, **changes: Any) -> None:
        self.config |= changes
        (self.directory / "observer.json").write_text(json.dumps(self.config))

    def node(self, name: str, offset_ns: int, drift_ppm: float) -> dict[str, Any]:
        (self.directory / name).mkdir()
        return {
            "name": name,
            "page": str(self.directory / name / "page"),
            "ntp": None,
            "initial": {"offset_ns": offset_ns, "drift_ppm": drift_ppm},
        }

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "observer", "run"],
            env=self.environment,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "observer", *argv],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def __call__(self, *argv: str) -> Any:
        """The document that a command printed, which has to succeed."""
        done = self.run(*argv)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def observer(tmp_path: Path, library: Path) -> Observer:
    return Observer(tmp_path, library)


@pytest.fixture
def running(observer: Observer) -> Iterator[Observer]:
    """With its pages made by a main process, which is still there."""
    process = observer.start()
    assert process.stdout is not None
    assert json.loads(process.stdout.readline())["t"] == "ready"
    yield observer
    process.kill()
    process.communicate()


def lab_now_ns() -> int:
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW) + ANCHOR_NS


def check_lyon(divergence_ns: int, lab_ns: int, began_ns: int, since_lab_ns: int) -> None:
    """lyon began `began_ns` off at some time after `since_lab_ns` and has drifted since."""
    assert began_ns <= divergence_ns <= began_ns + (lab_ns - since_lab_ns) * DRIFT + 2


def test_the_main_process_says_ready_then_samples(observer: Observer) -> None:
    since_ns = lab_now_ns()
    process = observer.start()
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    assert ready["lab_ns"] == ready["raw_ns"] + ANCHOR_NS
    assert ready["created"] == ["paris", "lyon"]
    samples = [json.loads(process.stdout.readline()) for _ in range(20)]
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    samples = [sample for sample in samples if sample["t"] == "clock"]
    for sample in samples:
        for wall_ns, divergence_ns in sample["n"].values():
            assert wall_ns - sample["lab_ns"] == divergence_ns
        assert sample["n"]["paris"][1] == 0
    first, last = samples[0], samples[-1]
    check_lyon(first["n"]["lyon"][1], first["lab_ns"], -BEHIND_NS, since_ns)
    gained_ns = last["n"]["lyon"][1] - first["n"]["lyon"][1]
    assert gained_ns == pytest.approx((last["lab_ns"] - first["lab_ns"]) * DRIFT, abs=2)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_without_waiting_for_the_next_sample(
    observer: Observer, number: signal.Signals
) -> None:
    observer.configure(sample_hz=0.001)
    process = observer.start()
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_chronyd_that_does_not_answer_holds_up_nothing(observer: Observer) -> None:
    chronyc = observer.directory / "chronyc"
    chronyc.write_text("#!/bin/sh\nexec sleep 600\n")
    chronyc.chmod(0o755)
    observer.environment["PATH"] = f"{observer.directory}{os.pathsep}{os.environ['PATH']}"
    nodes = observer.config["nodes"]
    observer.configure(belief_hz=10, nodes=[{**node, "ntp": node["name"]} for node in nodes])
    process = observer.start()
    assert process.stdout is not None
    # Both are asked at once, and chronyc is given up after two seconds: 200 samples.
    kinds = []
    while "belief" not in kinds:
        kinds.append(json.loads(process.stdout.readline())["t"])
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 0
    assert kinds.count("clock") > 10


def test_a_page_that_exists_is_kept(running: Observer) -> None:
    since_ns = lab_now_ns()
    running("set", "lyon", "--offset-ns=7000000000")
    again = running.start()
    assert again.stdout is not None
    assert json.loads(again.stdout.readline())["created"] == []
    again.kill()
    again.communicate()
    shown = running("show")
    check_lyon(shown["divergence_ns"]["lyon"], shown["lab_ns"], 7 * S, since_ns)


def test_show_tells_all_of_a_clock(running: Observer) -> None:
    shown = running("show")
    assert list(shown["nodes"]) == ["paris", "lyon"]
    lyon = shown["nodes"]["lyon"]
    assert lyon["wall_ns"] - shown["lab_ns"] == shown["divergence_ns"]["lyon"]
    assert lyon["divergence_ns"] == shown["divergence_ns"]["lyon"]
    assert (lyon["drift_ppm"], lyon["frequency_ppm"], lyon["tick"]) == (50.0, 0.0, 10_000)
    assert lyon["frozen"] is False
    assert {"maxerror_us", "status"} <= set(lyon)
    assert list(running("show", "paris")["nodes"]) == ["paris"]


def test_set_is_relative_to_lab_time(running: Observer) -> None:
    done = running("set", "paris", "--offset-ns", "-123456789")
    assert (done["t"], done["divergence_ns"]) == ("set", {"paris": -123_456_789})
    assert done["lab_ns"] <= done["read_lab_ns"]


def test_step_is_relative_to_the_clock(running: Observer) -> None:
    running("step", "paris", "--by-ns", "1000")
    assert running("step", "paris", "--by-ns=-3000")["divergence_ns"] == {"paris": -2_000}
    before = running("show", "lyon")
    after = running("step", "lyon", "--by-ns=5000000000")
    drifted_ns = (after["read_lab_ns"] - before["lab_ns"]) * DRIFT
    stepped_ns = after["divergence_ns"]["lyon"] - before["divergence_ns"]["lyon"]
    assert stepped_ns == pytest.approx(5 * S + drifted_ns, abs=2)


def test_drift_is_the_oscillators(running: Observer) -> None:
    running("drift", "paris", "--ppm=-20.5")
    first = running("show", "paris")
    second = running("show", "paris")
    assert second["nodes"]["paris"]["drift_ppm"] == -20.5
    elapsed_ns = second["lab_ns"] - first["lab_ns"]
    lost_ns = second["divergence_ns"]["paris"] - first["divergence_ns"]["paris"]
    assert lost_ns == pytest.approx(-20.5e-6 * elapsed_ns, abs=2)


def test_a_frozen_clock_stands_still_until_it_is_thawed(running: Observer) -> None:
    frozen = running("freeze", "paris")["nodes"]["paris"]
    later = running("show", "paris")["nodes"]["paris"]
    assert frozen["frozen"] is later["frozen"] is True
    assert frozen["wall_ns"] == later["wall_ns"]
    thawed = running("thaw", "paris")["nodes"]["paris"]
    again = running("show", "paris")["nodes"]["paris"]
    assert thawed["frozen"] is False
    assert again["wall_ns"] > thawed["wall_ns"] >= frozen["wall_ns"]
    assert thawed["divergence_ns"] == again["divergence_ns"] < 0


def test_reset_makes_clocks_true(running: Observer) -> None:
    running("freeze", "paris")
    done = running("reset", "paris", "lyon")
    assert done["divergence_ns"] == {"paris": 0, "lyon": 0}
    assert running("show")["divergence_ns"] == {"paris": 0, "lyon": 0}
    assert done["nodes"]["lyon"]["drift_ppm"] == 0
    assert done["nodes"]["paris"]["frozen"] is False


def test_a_clock_that_does_not_exist_is_named(running: Observer) -> None:
    done = running.run("freeze", "oslo")
    assert done.returncode == 2
    assert done.stderr == "ntplab-observer: oslo: no such clock, there are paris, lyon\n"


def test_a_page_that_is_missing_is_named_and_nothing_is_bent(running: Observer) -> None:
    page = running.directory / "lyon" / "page"
    page.unlink()
    running("set", "paris", "--offset-ns=5")
    done = running.run("reset", "paris", "lyon")
    assert done.returncode == 1
    assert f"{page}: No such file or directory" in done.stderr
    assert running("show", "paris")["divergence_ns"] == {"paris": 5}


def test_a_drift_beyond_what_a_clock_can_have_is_refused(running: Observer) -> None:
    done = running.run("drift", "paris", "--ppm=1e9")
    assert done.returncode == 1
    assert "Invalid argument" in done.stderr


def test_now_reads_raw_and_lab_time(observer: Observer) -> None:
    now = observer("now")
    assert now["lab_ns"] - now["raw_ns"] == now["anchor_ns"] == ANCHOR_NS
    assert now["raw_ns"] <= time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


@pytest.fixture
def web_server() -> Iterator[str]:
    """A server whose first two answers are 503, then 200; `/never` stays at 503."""
    asked = 0

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            nonlocal asked
            asked += 1
            self.send_response(200 if asked > 2 and self.path != "/never" else 503)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_wait_http_waits_until_it_is_200(observer: Observer, web_server: str) -> None:
    found = observer("wait-http", "--timeout-s=60", f"{web_server}/readyz")
    assert found["ok"] is True
    assert found["targets"][f"{web_server}/readyz"]["error"] is None


def test_wait_http_says_which_did_not_come_and_why(observer: Observer, web_server: str) -> None:
    done = observer.run("wait-http", "--timeout-s=0.5", f"{web_server}/never", "http://127.0.0.1:1")
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert found["targets"][f"{web_server}/never"]["error"] == "HTTP 503"
    assert "refused" in found["targets"]["http://127.0.0.1:1"]["error"]
    assert f"{web_server}/never: not there after 0.5 s: HTTP 503" in done.stderr


def test_wait_ntp_says_which_chronyd_does_not_answer(observer: Observer, tmp_path: Path) -> None:
    chronyc = tmp_path / "chronyc"
    chronyc.write_text("#!/bin/sh\nexit 1\n")
    chronyc.chmod(0o755)
    observer.environment["PATH"] = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    done = observer.run("wait-ntp", "--timeout-s=0.2", "lyon")
    assert done.returncode == 1
    assert "lyon: not there after 0.2 s: chronyd does not answer" in done.stderr
