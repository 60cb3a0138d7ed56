"""What a point left behind is put back while it is judged; what goes wrong there is not lost."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ntplab.driver.base import ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.errors import EvidenceError
from ntplab.lab import Lab, silent
from ntplab.labtime import LabClock
from ntplab.planner import make_plan
from ntplab.scenario import parse_scenario
from ntplab.sweep.changes import Changes, rendered
from ntplab.sweep.stage import Stage
from ntplab.topology import NetworkSpec

LAB = "t"
SCENARIO = """
name: s
policy: unique
time_servers: [{name: ntp1}]
servers: [{name: paris}, {name: lyon}]
phases: [{name: load, duration: 4s, ntp: NTP}]
"""


class Stages:
    """A stage whose lab is there already, in memory; `ntp`: whether a phase has it on."""

    def __init__(self, folder: Path, ntp: str = "off") -> None:
        self.driver = FakeDriver()
        self.plan = make_plan(parse_scenario(SCENARIO.replace("NTP", ntp)))
        clock = LabClock.anchored_now()
        self.stage = Stage(self.driver, LAB, clock, silent, self.append, folder, {})
        self.lab = Lab(self.driver, self.plan, LAB, clock, silent, self.append)
        self.stage._lab, self.stage._plan = self.lab, self.plan
        for network in self.lab.topology.networks:
            self.driver.create_network(LAB, NetworkSpec(network.name))
        for node in self.lab.topology.nodes:
            self.driver.create(LAB, node, {}, {})
            self.driver.start(LAB, node.name)

    def append(self, _table: str, _rows: Any) -> None:
        pass

    def asked(self, node: str) -> list[tuple[str, ...]]:
        return [words[2:] for words in self.driver.called("exec") if words[1] == node]

    def next_point(self) -> None:
        self.stage._change(self.plan, Changes(), rendered(self.plan))


def test_data_is_gone_once_and_daemons_are_down_only_where_they_ran(tmp_path: Path) -> None:
    for ntp, orders in (("off", 0), ("on", 1)):
        given = Stages(tmp_path, ntp)
        given.stage.tidy()
        given.next_point()
        assert len(given.asked("db")) == 1
        downs = [words for words in given.asked("lyon") if words[0] == "s6-svc" and "-d" in words]
        assert len(downs) == orders


def test_the_next_point_waits_for_it_and_hears_what_went_wrong(tmp_path: Path) -> None:
    given, go_on = Stages(tmp_path), threading.Event()

    def psql(_node: str, _argv: Sequence[str], _stdin: bytes | None) -> ExecResult:
        assert go_on.wait(10)
        return ExecResult(2, "", "FATAL: no")

    given.driver.answer(["sh"], psql, node="db")
    given.stage.tidy()  # does not wait: the point is judged meanwhile
    go_on.set()
    with pytest.raises(EvidenceError, match="cannot be emptied"):
        given.next_point()


def test_a_lab_that_is_taken_away_need_not_have_been_tidied(tmp_path: Path) -> None:
    given = Stages(tmp_path)
    given.driver.answer(["sh"], ExecResult(2, "", "FATAL: no"), node="db")
    given.stage.tidy()
    given.stage.clear()
    assert given.driver.labs() == []


def test_a_database_that_is_dead_is_not_asked(tmp_path: Path) -> None:
    given = Stages(tmp_path)
    given.driver.die(LAB, "db")
    given.lab.check_alive()
    given.stage.tidy()
    given.stage.clear()
    assert given.asked("db") == []
