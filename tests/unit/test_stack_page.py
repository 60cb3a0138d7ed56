"""The demo stack's page: what monitoring is told, what is kept, what stays out of reach."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from ntplab.evidence import RunDirectory, list_runs
from ntplab.stack.keeper import prune
from ntplab.stack.metrics import exposition
from ntplab.ui.model import Model

CLOCK = [
    {"lab_ns": 10**9, "node": "paris", "divergence_ns": 5_000},
    {"lab_ns": 10**9, "node": "lyon", "divergence_ns": -2 * 10**9},
]


def a_model() -> Model:
    model = Model(mode="lab", servers=["paris", "lyon"])
    model.feed("clock", CLOCK)
    model.feed("events", [{"lab_ns": 1, "event": "ntp.seen", "node": "lyon", "state": "off"}])
    for buyer in ("a", "b"):
        row = {"phase": "1", "seat": "G-1", "buyer": buyer, "outcome": "confirmed"}
        model.feed("attempts", [{**row, "receipt_id": buyer}])
    return model


def test_prometheus_is_told_the_truth() -> None:
    lines = exposition(a_model().figures(), {"paris"}, ["paris", "lyon"], 3).splitlines()
    assert 'ntplab_clock_divergence_seconds{node="lyon"} -2.0' in lines
    assert 'ntplab_clock_divergence_seconds{node="paris"} 5e-06' in lines
    assert 'ntplab_ntp_on{node="lyon"} 0' in lines
    assert 'ntplab_node_up{node="paris"} 1' in lines
    assert 'ntplab_node_up{node="lyon"} 0' in lines
    assert "ntplab_double_bookings_total 1" in lines
    assert "ntplab_attempts_total 2" in lines
    assert "ntplab_streams 3" in lines


def test_a_new_recording_goes_on_with_the_chart_and_not_with_the_seats() -> None:
    before, after = a_model(), Model(mode="lab", servers=["paris", "lyon"])
    after.go_on_from(before)
    assert after.snapshot()["frames"] == before.snapshot()["frames"]
    assert after.snapshot()["shades"]["ntp"] == {"lyon": "off"}
    assert after.snapshot()["halls"] == []
    after.feed("clock", [{**row, "lab_ns": 2 * 10**9} for row in CLOCK])
    assert len(after.snapshot()["frames"]) == len(before.snapshot()["frames"]) + 1


def test_the_newest_recordings_are_kept(tmp_path: Path) -> None:
    for second in range(5):
        run = RunDirectory.create(tmp_path, "stack", datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC))
        (run.path / "manifest.json").write_text("{}")
    newest = [run.run_id for run in list_runs(tmp_path)[-2:]]
    prune(tmp_path, 2)
    assert [run.run_id for run in list_runs(tmp_path)] == newest
