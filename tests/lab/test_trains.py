"""The train system in a lab: its command line does as told, and its scenarios end as expected."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from .kit import REPO, SCENARIOS, Cli, wait_for

BRIEF = ["train-literal", "train-confirmed", "train-snapshot"]
EXAMPLE = REPO / "images" / "train" / "examples" / "timetable.csv"


@dataclass(frozen=True)
class Trains:
    """A standing lab with an office and two clients who confirm by hand."""

    cli: Cli
    lab: str

    def __call__(self, *words: str, exit_code: int = 0) -> str:
        done = self.cli("train", *self._in_lab(words), exit_code=exit_code)
        return done.stdout + done.stderr

    def json(self, *words: str, exit_code: int = 0) -> Any:
        told = self.cli.json("train", *self._in_lab(words), exit_code=exit_code)
        assert told["schema"] == 1
        return told

    def answer(self, *words: str) -> Any:
        return self.json(*words)["answer"]

    def _in_lab(self, words: tuple[str, ...]) -> list[str]:
        return [*words, "--lab", self.lab]

    def state(self, ticket: int) -> str:
        sales = self.answer("tickets")
        return str(next(s["state"] for s in sales if s["ticket"]["ticket_id"] == ticket))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Any]]]:
    """The results of the scenarios as they come, two at a time: a run is mostly waiting."""
    folders = {name: tmp_path_factory.mktemp(name) for name in BRIEF}

    def run(name: str) -> Any:
        results = Cli(folders[name]).json("run", str(SCENARIOS / f"{name}.yaml"), exit_code=None)
        return results | {"folder": folders[name]}

    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(run, name) for name in BRIEF}


@pytest.fixture(scope="module")
def trains(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trains]:
    cli = Cli(tmp_path_factory.mktemp("trains"))
    lab = f"test-{secrets.token_hex(3)}"
    sets = ["train.clients=2", "train.confirm=by-hand", "train.hold=1m", "train.tickets=3"]
    options = [word for setting in sets for word in ("--set", setting)]
    try:
        cli("up", str(SCENARIOS / "train-snapshot.yaml"), *options, "--lab", lab)
        yield Trains(cli, lab)
    finally:
        cli("down", "--lab", lab, exit_code=None)


def test_a_ticket_s_life_by_hand(trains: Trains) -> None:
    offered = trains.answer("reserve", "c1", "--ticket", "1", "--wait", "20s")
    assert (offered["stage"], offered["ticket"]["ticket_id"]) == ("offered", 1)
    assert trains.state(1) == "held"
    assert trains.answer("confirm", "c1", "--wait", "20s")["outcome"] == "owned"
    assert [t["ticket_id"] for t in trains.answer("tickets", "c1")] == [1]
    wait_for("the receipt", lambda: trains.state(1) == "deleted")
    assert trains.answer("request", "c1")["outcome"] == "owned"
    said = trains("update", "1", "--price", "1.00", exit_code=1)
    assert "office refuses: ticket 1 is sold to c1: only an available one can be changed" in said


def test_an_offer_that_is_refused_is_for_sale_again(trains: Trains) -> None:
    trains("reserve", "c2", "--ticket", "2", "--wait", "20s")
    assert trains.answer("refuse", "c2", "--wait", "20s")["outcome"] == "refused"
    wait_for("ticket 2 for sale", lambda: trains.state(2) == "available")


def test_the_office_s_tickets_are_made_changed_and_taken_off(
    trains: Trains, tmp_path: Path
) -> None:
    journey = ["--from", "Lyon", "--to", "Nice", "--departure", "2090-01-02T08:30"]
    made = trains.answer("create", *journey, "--zone", "Europe/Paris", "--seats", "2")
    trains("update", str(made[0]), "--price", "12.50")
    trains("delete", str(made[1]))
    assert trains.state(made[1]) == "removed"
    assert "Lyon,Nice,20900102,08:30:00,Europe/Paris,12.50,1" in trains("export")
    assert len(trains.answer("import", str(EXAMPLE))) == 68
    found = trains.answer("consult", "c2", "--from", "Lyon", "--to", "Nice")
    assert found["total"] == 1
    assert "unsafe" in trains("reclaim", str(made[0]), exit_code=2)
    assert "only one that is TRANSFERRED" in trains("reclaim", "2", "--unsafe", exit_code=1)
    bad = tmp_path / "bad.csv"
    bad.write_text("stop_from\nLyon\n")
    assert "no column" in trains("import", str(bad), exit_code=1)


def test_links_are_bent_and_mended(trains: Trains) -> None:
    bent = trains.json("link", "c1", "--delay", "5ms-20ms", "--loss", "0.25")["links"]["c1"]
    assert [(n["delay_max_ns"], n["loss"]) for n in bent.values()] == [(20_000_000, 0.25)]
    mended = trains.json("link", "all")["links"]
    assert all(n["loss"] == 0 for links in mended.values() for n in links.values())


def test_a_node_is_killed_cut_off_and_back(trains: Trains) -> None:
    trains("kill", "c1")
    assert "c1 is not running" in trains("tickets", "c1", exit_code=5)
    assert "c1 is not running" in trains("kill", "c1", exit_code=2)
    shown = trains("status").splitlines()
    assert [line.split()[:3] for line in shown if line.startswith("c1")] == [
        ["c1", "not", "running"]
    ]
    trains("restart", "c1")
    trains("partition", "c1")
    trains("reserve", "c1")
    assert trains.answer("request", "c1")["stage"] == "requesting"
    trains("heal", "c1")
    wait_for("an offer for c1", lambda: trains.answer("request", "c1")["stage"] == "offered")
    told = trains.json("status")["nodes"]
    assert (told["c1"]["incarnation"], told["c2"]["incarnation"]) == (2, 1)


def test_a_snapshot_is_taken_shown_and_loaded(trains: Trains) -> None:
    epoch = trains.answer("snapshot", "take")
    assert epoch in trains.answer("snapshot", "list")
    assert set(dict(trains.answer("snapshot", "show", str(epoch))["snapshot"]["parts"])) == {
        "office", "c1", "c2",
    }  # fmt: skip
    before = trains.json("status")["nodes"]["office"]["generation"]
    trains("snapshot", "load", str(epoch))
    nodes = trains.json("status")["nodes"]
    assert {told["generation"] for told in nodes.values()} == {before + 1}
    assert "refuses" in trains("snapshot", "load", "99", exit_code=1)


def test_load_runs_until_it_is_stopped(trains: Trains) -> None:
    trains("load", "start", "c2", "--think", "10ms")
    wait_for("a request", lambda: trains.json("load", "status", "c2")["load"]["c2"]["made"] > 0)
    assert not trains.json("load", "stop", "c2")["load"]["c2"]["running"]


def test_what_is_not_there_is_said(trains: Trains) -> None:
    assert "there are: c1, c2" in trains("reserve", "office", exit_code=2)
    assert "there are: office, c1, c2" in trains("status", "c9", exit_code=2)


@pytest.mark.parametrize("name", BRIEF)
def test_a_scenario_ends_as_expected(runs: dict[str, Future[Any]], name: str) -> None:
    results = runs[name].result()
    assert results["verdict"] == "met"
    sales = [s for p in results["phases"] for s in p["train"]["double_sale_details"]]
    assert bool(sales) == (name == "train-literal")
    assert all(sale["words"] for sale in sales)
    Cli(results["folder"])("verify", "latest")
