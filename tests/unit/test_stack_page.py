"""The demo stack's page: what monitoring is told, what is kept, what stays out of reach."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from ntplab.errors import DiskError, NodeError
from ntplab.evidence import RunDirectory, list_runs
from ntplab.stack.keeper import Keeper, prune
from ntplab.stack.metrics import exposition
from ntplab.stack.preparing import NODES
from ntplab.stack.settings import read_settings
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


class Nodes:
    """What the keeper sees of the nodes: a life each, or none."""

    def __init__(self) -> None:
        self.lives: dict[str, str | None] = dict.fromkeys(NODES, "first")

    def of(self, node: str) -> Any:
        return SimpleNamespace(life=lambda: self.lives[node])


class ASession:
    """Notes who was revived, and refuses as often as it is told to."""

    def __init__(self) -> None:
        self.model = Model(mode="lab")
        self.revived: list[str] = []
        self.loads: list[float] = []
        self.refusals = 0
        self.rate_hz = 2.0
        self.broken: Exception | None = None

    def check(self) -> None:
        if self.broken:
            raise self.broken

    def revive(self, node: str) -> None:
        self.revived.append(node)
        if self.refusals:
            self.refusals -= 1
            raise NodeError(f"{node} is still starting")

    def load(self, rate_hz: float) -> None:
        self.loads.append(rate_hz)


def kept(tmp_path: Path) -> tuple[Keeper, Nodes, ASession]:
    """A keeper of a session that was begun, who has looked once."""
    nodes, session = Nodes(), ASession()
    desk = SimpleNamespace(shown=session, model=session.model)
    keeper = Keeper(cast(Any, desk), cast(Any, nodes), read_settings({}), tmp_path)
    keeper._begun, keeper._lives = time.monotonic(), dict.fromkeys(NODES, "first")
    return keeper, nodes, session


def test_a_server_that_is_back_within_a_blink_is_revived(tmp_path: Path) -> None:
    keeper, nodes, session = kept(tmp_path)
    keeper.look()
    assert session.revived == []
    nodes.lives["lyon"] = "second"
    keeper.look()
    keeper.look()
    assert session.revived == ["lyon"]


def test_a_server_that_is_still_starting_is_tried_again(tmp_path: Path) -> None:
    keeper, nodes, session = kept(tmp_path)
    nodes.lives["lyon"] = None
    keeper.look()
    assert session.model.about()["trouble"] == "does not answer: lyon"
    assert "lyon" not in keeper.alive
    nodes.lives["lyon"], session.refusals = "second", 2
    for _ in range(5):
        keeper.look()
    assert session.revived == ["lyon"] * 3
    assert session.model.about()["trouble"] == ""


def test_buyers_that_are_back_get_their_load_again(tmp_path: Path) -> None:
    keeper, nodes, session = kept(tmp_path)
    nodes.lives["buyers"] = "second"
    keeper.look()
    assert session.loads[-1] == 2.0


def test_recording_begins_again_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper, _nodes, session = kept(tmp_path)
    begun: list[object] = []
    monkeypatch.setattr(keeper, "_begin", begun.append)
    free = 1 << 20
    monkeypatch.setattr(
        "ntplab.stack.keeper.shutil.disk_usage", lambda _: SimpleNamespace(free=free)
    )
    session.broken = NodeError("the buyers died")  # is another matter
    keeper.look()
    assert session.model.about()["trouble"] == ""
    session.broken = DiskError("no room")
    keeper.look()
    assert "the disk is full" in session.model.about()["trouble"]
    assert begun == []
    free = 1 << 30
    keeper.look()
    assert begun == [session]
