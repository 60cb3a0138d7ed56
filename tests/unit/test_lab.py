"""Bringing a lab up: who starts when, and what is said when somebody does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ntplab.driver.base import ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.errors import LabError, NodeError
from ntplab.events import Event
from ntplab.lab import Lab
from ntplab.labtime import LabClock, raw_ns
from ntplab.planner import make_plan
from ntplab.scenario import load_scenario

CONCERT = Path(__file__).resolve().parents[2] / "playbooks" / "scenarios" / "concert.yaml"
NAME = "t"


class LabDriver(FakeDriver):
    """The observer says it is ready as soon as it is started."""

    raw_is: Callable[[], int] = staticmethod(raw_ns)

    def start(self, lab: str, node: str) -> None:
        super().start(lab, node)
        if node == "observer":
            ready = {"t": "ready", "raw_ns": self.raw_is(), "lab_ns": 0}
            self.nodes[lab, node].log.append(json.dumps(ready).encode() + b"\n")


@pytest.fixture
def driver() -> LabDriver:
    return LabDriver()


def make_lab(driver: FakeDriver, events: list[Event] | None = None) -> Lab:
    plan = make_plan(load_scenario(CONCERT))
    emit = (events if events is not None else []).append
    return Lab(driver, plan, NAME, LabClock.anchored_now(), emit, lambda _table, _rows: None)


def late(**errors: str | None) -> ExecResult:
    targets = {f"http://{node}:8000/readyz": {"error": error} for node, error in errors.items()}
    return ExecResult(1, json.dumps({"ok": False, "targets": targets}), "")


def test_the_observer_is_started_before_any_machine_whose_clock_it_makes(
    driver: LabDriver,
) -> None:
    make_lab(driver).up({"ntplab.run": "r"})
    started = [node for _, node in driver.called("start")]
    assert started[0] == "observer"
    assert set(started[1:]) == {"ntp1", "db", "paris", "lyon", "marseille"}
    assert all(c.labels["ntplab.run"] == "r" for c in driver.nodes.values())


def test_servers_and_database_share_a_secret_that_no_one_else_has(driver: LabDriver) -> None:
    make_lab(driver).up({})
    path = "/etc/ntplab/secrets/db_password"
    secrets = {node: c.files.get(path) for (_, node), c in driver.nodes.items()}
    assert len({secrets[node] for node in ("db", "paris", "lyon", "marseille")}) == 1
    assert secrets["paris"] is not None
    assert len(secrets["paris"]) >= 24
    assert secrets["observer"] is secrets["ntp1"] is None


def test_two_labs_have_different_secrets(driver: LabDriver) -> None:
    path = "/etc/ntplab/secrets/db_password"
    assert make_lab(driver).files()["db"][path] != make_lab(driver).files()["db"][path]


def test_a_node_that_dies_while_coming_up_ends_it_with_its_last_words(driver: LabDriver) -> None:
    def ask(_node: str, _argv: Any, _stdin: Any) -> ExecResult:
        if driver.nodes[NAME, "lyon"].status == "running":
            driver.die(NAME, "lyon", exit_code=78, last_words="NTPLAB_POLICY: no such policy")
        return late(lyon="connection refused")

    driver.answer(["ntplab-observer", "wait-http"], ask)
    events: list[Event] = []
    with pytest.raises(NodeError) as raised:
        make_lab(driver, events).up({})
    assert raised.value.message == "lyon died with exit code 78"
    assert raised.value.log_tail == ("NTPLAB_POLICY: no such policy",)
    assert raised.value.hint
    assert [e.record()["node"] for e in events if e.name == "node.died"] == ["lyon"]


def test_a_node_that_never_gets_ready_is_named_with_its_log(
    driver: LabDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ntplab.lab.READY_WITHIN_S", 0.0)

    def ask(_node: str, _argv: Any, _stdin: Any) -> ExecResult:
        driver.nodes[NAME, "lyon"].log.append(b"no database\n")
        return late(paris=None, lyon="HTTP 503", marseille="timed out")

    driver.answer(["ntplab-observer", "wait-http"], ask)
    with pytest.raises(NodeError) as raised:
        make_lab(driver).up({})
    assert raised.value.message == ("lyon was not ready within 0 s: HTTP 503 (nor marseille)")
    assert raised.value.log_tail[-1] == "no database"


def test_an_engine_on_another_machine_is_refused(driver: LabDriver) -> None:
    driver.raw_is = lambda: raw_ns() + 3_600_000_000_000  # type: ignore[misc]
    with pytest.raises(LabError, match="the engine runs on another machine"):
        make_lab(driver).up({})


def test_each_death_is_told_once_and_buyers_may_end(driver: LabDriver) -> None:
    events: list[Event] = []
    lab = make_lab(driver, events)
    lab.up({})
    driver.die(NAME, "paris")
    assert [e.message for e in lab.check_alive()] == ["paris died with exit code 137"]
    assert lab.check_alive() == []
    assert lab.living(("paris", "lyon")) == ("lyon",)
