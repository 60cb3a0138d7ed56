"""Nodes of the train system in a lab in memory: prepared, loaded, struck, asked, restarted."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ntplab.collect.databases import RawClocks
from ntplab.driver.base import ExecResult
from ntplab.errors import FaultError, NodeError
from ntplab.events import Event
from ntplab.lab import Lab
from ntplab.labtime import LabClock
from ntplab.plan import FaultPlan
from ntplab.planner import make_plan
from ntplab.scenario import load_scenario
from ntplab.train_nodes import TrainNodes, nodes
from ntplab.train_phases import TrainPhases, together
from ntplab.train_plan import LinkPlan
from trainlab import TrainDriver

SCENARIO = """
name: t
system: train
time_servers: [{name: ntp1}]
train:
  hold: 30s
  clients: 2
  topology: ring
  tickets: 5
  links: {delay: [1ms, 2ms]}
  load: {think: 10ms, requests: 1}
  retry: 10ms
phases:
  - name: struck
    duration: 300ms
    ntp: off
    faults:
      - {at: 0s, server: all, kind: link, value: {loss: 0.5}}
      - {at: 20ms, server: c1, kind: partition}
      - {at: 40ms, server: c1, kind: heal}
      - {at: 60ms, server: office, kind: snapshot}
      - {at: 80ms, server: all, kind: kill}
      - {at: 100ms, server: all, kind: restart}
      - {at: 120ms, server: office, kind: snapshot, value: load}
  - {name: idle, duration: 100ms, ntp: "on", load: null}
"""
NAME = "lab"
Rows = dict[str, list[dict[str, Any]]]


class Bench:
    """A lab that is up. `rows`: what became evidence; `events`: what happened."""

    def __init__(self, folder: Path) -> None:
        path = folder / "t.yaml"
        path.write_text(SCENARIO)
        self.rows: Rows = {}
        self.events: list[Event] = []
        self.driver = TrainDriver(folder)
        self.lab = Lab(
            self.driver, make_plan(load_scenario(path)), NAME, LabClock.anchored_now(),
            self.events.append, self.append,
        )  # fmt: skip

    def append(self, table: str, rows: Any) -> None:
        self.rows.setdefault(table, []).extend(rows)

    @property
    def nodes(self) -> TrainNodes:
        assert self.lab.train is not None
        return self.lab.train

    def phases(self) -> TrainPhases:
        zero = RawClocks(self.lab.handle.clock.anchor_ns, dict.fromkeys(self.nodes.plan.nodes, 0))
        return TrainPhases(self.lab, self.nodes, self.append, self.events.append, zero)

    def ask(self, node: str, verb: str, **what: Any) -> Any:
        answer = self.driver.train[node].control.answer(json.dumps({"do": verb, **what}))
        return json.loads(answer)["ok"]

    def told(self, event: str) -> list[dict[str, Any]]:
        return [e.record() for e in self.events if e.name == event]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    bench.lab.up({})
    try:
        yield bench
    finally:
        bench.lab.down()


def snapshot(action: str) -> FaultPlan:
    return FaultPlan(0, "office", "snapshot", action=action)


def test_the_office_gets_its_tickets_once_and_every_link_is_bent(bench: Bench) -> None:
    assert len(bench.ask("office", "tickets")) == 5
    bench.nodes.prepare()
    assert len(bench.ask("office", "tickets")) == 5
    for name in bench.nodes.plan.nodes:
        links = bench.ask(name, "status")["links"]
        assert len(links) == 2
        assert {(k["delay_min_ns"], k["delay_max_ns"]) for k in links.values()} == {
            (1_000_000, 2_000_000)
        }


def test_a_node_that_dies_at_its_start_is_named_soon_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, waits = Bench(tmp_path), itertools.count()
    monkeypatch.setattr(nodes, "READY_WITHIN_S", math.inf)
    wait = bench.nodes.feed.wait

    def impatient(timeout_s: float) -> None:
        assert next(waits) < 500, "nobody looked for the dead"
        wait(timeout_s)

    monkeypatch.setattr(bench.nodes.feed, "wait", impatient)
    bench.driver.unborn.add("c2")

    def dying(lab: str, node: str) -> None:
        TrainDriver.start(bench.driver, lab, node)
        if node == "c2":
            bench.driver.die(lab, node, exit_code=4, last_words="the node's state is damaged")

    bench.driver.start = dying  # type: ignore[method-assign]
    with pytest.raises(NodeError, match="c2 died with exit code 4") as raised:
        bench.lab.up({})
    assert raised.value.log_tail == ("the node's state is damaged",)
    bench.lab.down()


def test_a_link_that_does_not_do_what_it_was_told_is_no_silent_success(bench: Bench) -> None:
    bench.driver.stubborn.add("c1")
    with pytest.raises(FaultError, match=r"c1: the link to \w+ does not do what it was told"):
        bench.nodes.bend(["office", "c1"], LinkPlan(loss=0.25))


def test_what_a_node_refuses_or_does_not_answer_is_an_error(bench: Bench) -> None:
    with pytest.raises(FaultError, match="there is no snapshot to load"):
        bench.nodes.snapshot(snapshot("load"))
    bench.ask("office", "snapshot-take")
    with pytest.raises(
        FaultError, match="office refuses `snapshot-take`: snapshot 1 is not whole yet"
    ):
        bench.nodes.snapshot(snapshot("take"))
    bench.driver.deaf.add("office")
    with pytest.raises(FaultError, match="office does not answer") as raised:
        bench.nodes.snapshot(snapshot("take"))
    assert raised.value.hint == "look at the node with `./ntplab logs office`"
    assert "Connection refused" in raised.value.log_tail[0]


def test_idle_is_waited_for_and_who_is_not_is_named(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    phase = bench.lab.plan.phases[0]
    assert phase.customers is not None
    monkeypatch.setattr(nodes, "POLL_S", 0.02)
    bench.nodes.partition("c1", on=False)
    bench.nodes.start_load(phase, phase.customers, set())
    bench.nodes.stop_load(set())
    with monkeypatch.context() as patch:
        patch.setattr(nodes, "IDLE_WITHIN_S", 0.3)
        assert bench.nodes.wait_idle(set()) == ["c1"]
        assert bench.nodes.wait_idle({"c1"}) == []
    bench.nodes.partition("c1", on=True)
    assert bench.nodes.wait_idle(set()) == []
    assert {name: len(bench.ask(name, "tickets")) for name in ("c1", "c2")} == {"c1": 1, "c2": 1}


def test_everybody_s_account_is_recorded_but_that_of_the_dead(bench: Bench) -> None:
    bench.driver.kill(NAME, "c2")
    bench.nodes.record("struck", "begin", {"c2"})
    rows = bench.rows["ticket_states"]
    assert [(row["node"], row["phase"], row["moment"]) for row in rows] == [
        ("office", "struck", "begin"), ("c1", "struck", "begin"),
    ]  # fmt: skip
    assert len(json.loads(rows[0]["tickets"])) == 5
    assert json.loads(rows[1]["status"])["client"]["stage"] == "idle"


def test_a_snapshot_is_kept_and_loaded_by_everybody(bench: Bench) -> None:
    assert bench.nodes.snapshot(snapshot("take")) == "epoch 1 taken"
    (row,) = bench.rows["train_snapshots"]
    parts = json.loads(row["document"])["snapshot"]["parts"]
    assert (row["epoch"], [name for name, _ in parts]) == (1, ["c1", "c2", "office"])
    assert bench.nodes.snapshot(snapshot("load")) == "epoch 1 loaded"
    assert bench.ask("office", "status")["generation"] == 1


def test_a_killed_node_is_started_again_on_what_it_knew(bench: Bench) -> None:
    bench.driver.kill(NAME, "office")
    assert bench.nodes.restart("office") == "answers"
    assert bench.ask("office", "status")["incarnation"] == 2
    assert len(bench.ask("office", "tickets")) == 5


def test_a_node_that_does_not_start_again_is_named_with_its_last_words(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nodes, "READY_WITHIN_S", 0.2)
    bench.driver.unborn.add("c1")
    bench.driver.die(NAME, "c1", last_words="no space left on device")
    with pytest.raises(NodeError, match="c1 did not start again") as raised:
        bench.nodes.restart("c1")
    assert raised.value.log_tail[-1] == "no space left on device"


def test_a_phase_asks_strikes_and_records_in_order(bench: Bench) -> None:
    driver = bench.driver
    driver.answer(["sh", "-c"], ExecResult(0, "stopped\n", ""))  # a daemon's order, and its state
    bench.phases().measure(bench.lab.plan.phases[0])
    faults = [(f["kind"], f["node"], f["value"]) for f in bench.told("fault.in_force")]
    everybody = ["c1", "c2", "office"]
    assert faults[:3] == [("link", n, "loss 50%") for n in (f[1] for f in faults[:3])]
    assert sorted(f[1] for f in faults[:3]) == everybody
    assert faults[3:6] == [
        ("partition", "c1", "off the network"), ("heal", "c1", "on the network"),
        ("snapshot", "office", "epoch 1 taken"),
    ]  # fmt: skip
    assert sorted(f[1] for f in faults[6:9] if f[0] == "kill") == everybody
    assert sorted(f[1:] for f in faults[9:12] if f[0] == "restart") == [
        (name, "answers") for name in everybody
    ]
    assert faults[12:] == [("snapshot", "office", "epoch 1 loaded")]
    moments = [(row["moment"], row["node"]) for row in bench.rows["ticket_states"]]
    assert moments == [
        (moment, node) for moment in ("begin", "end") for node in ("office", "c1", "c2")
    ]
    assert bench.lab.dead == set()
    assert [node for node, *words in driver_words(driver, "sh") if "-d" in words] != []
    sent = [row for row in bench.rows["ticket_events"] if row["event"] == "request.sent"]
    assert {row["node"] for row in sent} == {"c1", "c2"}
    assert [a["client"]["stage"] for a in end_accounts(bench) if "client" in a] == ["idle"] * 2


def test_a_phase_without_load_asks_for_nothing(bench: Bench) -> None:
    bench.phases().measure(bench.lab.plan.phases[1])
    assert [row for row in bench.rows["ticket_events"] if row["event"] == "request.sent"] == []
    assert len(bench.rows["ticket_states"]) == 6


def test_faults_of_one_kind_and_time_strike_together() -> None:
    faults = tuple(
        FaultPlan(at, node, kind)
        for at, kind, node in (
            (0, "kill", "a"), (0, "kill", "b"), (0, "heal", "a"),
            (5, "heal", "b"), (5, "heal", "c"),
        )
    )  # fmt: skip
    groups = [(at, [fault.node for fault in group]) for at, group in together(faults)]
    assert groups == [(0, ["a", "b"]), (0, ["a"]), (5, ["b", "c"])]


def driver_words(driver: TrainDriver, program: str) -> list[list[str]]:
    """(node, words…) of every command of that program."""
    return [[node, *words] for _, node, first, *words in driver.called("exec") if first == program]


def end_accounts(bench: Bench) -> list[dict[str, Any]]:
    rows = [row for row in bench.rows["ticket_states"] if row["moment"] == "end"]
    return [json.loads(row["status"]) for row in rows]
