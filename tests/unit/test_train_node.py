"""Nodes as processes on loopback: killed at random instants, asked, stopped, refused."""

from __future__ import annotations

import json
import random
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from .train_program import Ring, train, train_here, until

pytestmark = pytest.mark.slow

KILLS = 8
SEED = 5
JOURNEY = (
    "--from", "Paris", "--to", "Lyon", "--departure", "2030-12-24T08:30", "--zone", "Europe/Paris",
)  # fmt: skip


@pytest.fixture
def ring(tmp_path: Path) -> Iterator[Ring]:
    ring = Ring(tmp_path, ["office", "c1", "c2"])
    try:
        yield ring
    finally:
        for process in ring.processes.values():
            process.kill()
            process.wait()


def test_nodes_killed_at_any_instant_end_their_requests_and_sell_nothing_twice(ring: Ring) -> None:
    """Under load all the time; each kill comes a random time after the last one's start."""
    ring.start()
    ring.ask("office", "create", *JOURNEY, "--seats", "40")
    chance = random.Random(SEED)
    for _ in range(KILLS):
        for name in ("c1", "c2"):
            if not ring.quickly(name, "load", action="status")["running"]:
                ring.quickly(name, "load", action="start", seed=SEED, think_mean_ns=5_000_000)
        time.sleep(chance.uniform(0, 0.1))
        victim = chance.choice(ring.names)
        ring.kill(victim)
        ring.start(victim)
    for name in ("c1", "c2"):
        ring.quickly(name, "load", action="stop")
    until("every request ends", lambda: all(settled(ring, name) for name in ("c1", "c2")))
    owned = {name: {t["ticket_id"] for t in ring.ask(name, "tickets")} for name in ("c1", "c2")}
    assert owned["c1"] & owned["c2"] == set()
    sales = ring.ask("office", "tickets")
    sold = {s["ticket"]["ticket_id"]: s["client"] for s in sales if s["state"] == "deleted"}
    assert sold == {number: name for name, numbers in owned.items() for number in numbers}
    assert len(sold) > 0
    lives = sum(ring.ask(name, "status")["incarnation"] for name in ring.names)
    assert lives == len(ring.names) + KILLS
    assert ring.end() == dict.fromkeys(ring.names, 0)


def settled(ring: Ring, name: str) -> bool:
    status = ring.quickly(name, "status")
    return bool(status["client"]["stage"] == "idle" and status["unacknowledged"] == 0)


def test_a_users_whole_day(ring: Ring) -> None:
    """Create, change, delete, consult, reserve, snapshot, load: by the command line alone."""
    ring.start()
    assert ring.ask("office", "create", *JOURNEY, "--price", "29.90", "--seats", "3") == [1, 2, 3]
    assert ring.ask("office", "update", "2", "--to", "Marseille") == 2
    assert ring.ask("office", "delete", "3") == 3
    found = ring.ask("c1", "consult", "--to", "Marseille")
    assert [ticket["ticket_id"] for ticket in found["tickets"]] == [2]
    got = ring.ask("c1", "reserve", "--to", "Marseille", "--wait", "60s")
    assert (got["outcome"], got["ticket"]["ticket_id"], got["ticket"]["holder"]) == (
        "owned",
        2,
        "c1",
    )
    code, out, _ = ring.tries("c2", "reserve", "--to", "Marseille", "--wait", "60s")
    assert (code, json.loads(out)["outcome"]) == (1, "none")
    epoch = ring.ask("office", "snapshot", "take", "--wait", "60s")
    assert ring.ask("c2", "reserve", "--ticket", "1", "--wait", "60s")["outcome"] == "owned"
    ring.ask("office", "snapshot", "load", str(epoch), "--wait", "60s")
    assert ring.ask("c2", "tickets") == []
    assert [s["state"] for s in ring.ask("office", "tickets")] == [
        "available",
        "deleted",
        "removed",
    ]
    shown = ring.ask("office", "snapshot", "show", str(epoch))["snapshot"]
    assert [name for name, _ in shown["parts"]] == ["c1", "c2", "office"]


def test_what_a_node_refuses_is_said_and_changes_nothing(ring: Ring) -> None:
    ring.start()
    ring.ask("office", "create", *JOURNEY)
    before = ring.ask("office", "tickets")
    for name, words, said in (
        ("office", ["reserve"], "office is the office; this is for a client"),
        ("c1", ["create", *JOURNEY], "c1 is a client; this is for the office"),
        ("office", ["delete", "7"], "ticket 7: there is none to delete"),
        ("office", ["update", "1", "--departure", "2030-01-01T00:00", "--zone", "Mars/Base"],
         "time zone 'Mars/Base' is unknown"),
        ("c1", ["confirm"], "c1 has no offer to answer: it is idle"),
        ("office", ["snapshot", "load", "9"], "no snapshot 9; there are: none"),
        ("c1", ["link", "mars", "--loss", "0.5"], "'mars' is no neighbor; there are: c2, office"),
        ("c1", ["link", "--loss", "2"], "loss 2.0: between 0 and 1"),
    ):  # fmt: skip
        code, out, error = ring.tries(name, *words)
        assert (code in (1, 2), out) == (True, ""), words
        assert error.startswith(f"ntplab-train: error: {said}"), words
    code, _, error = ring.tries("office", "reclaim", "1")
    assert code == 2
    assert "unsafe" in error
    assert ring.ask("office", "tickets") == before


def test_a_damaged_snapshot_is_refused_and_the_state_untouched(ring: Ring) -> None:
    ring.start()
    ring.ask("office", "create", *JOURNEY)
    epoch = ring.ask("office", "snapshot", "take", "--wait", "60s")
    path = ring.directory / "office" / f"snapshot-{epoch}.json"
    whole, before = path.read_text(), ring.ask("office", "tickets")
    for damaged in (whole.replace("Lyon", "Lens"), whole[:-40], "{}", "", "\0" * 50):
        path.write_text(damaged)
        code, _, error = ring.tries("office", "snapshot", "load", str(epoch))
        assert code == 1, damaged
        assert "snapshot" in error
    assert ring.ask("office", "tickets") == before
    assert ring.ask("office", "status")["generation"] == 0
    path.write_text(whole)
    ring.ask("office", "snapshot", "load", str(epoch), "--wait", "60s")


def test_a_damaged_database_is_refused_and_left_as_it_is(ring: Ring) -> None:
    ring.start()
    ring.ask("office", "create", *JOURNEY)
    ring.end()
    path = ring.directory / "office" / "node.db"
    whole = path.read_bytes()
    with sqlite3.connect(path) as db:
        db.execute("UPDATE state SET value = replace(value, 'Lyon', 'Lens')")
    db.close()
    changed = path.read_bytes()
    for damaged in (changed, b"", whole[: len(whole) // 2], b"\xff" * 200 + whole[200:]):
        path.write_bytes(damaged)
        code, _, said = train_here("node", ring.directory / "office.json", "--state", path.parent)
        assert code == 4, damaged[:20]
        assert "the node's state is damaged" in said
        assert "hint: it was left as it is" in said
        assert path.read_bytes() == damaged
    path.write_bytes(whole)
    ring.start("office")


def test_a_log_damaged_after_a_kill_is_refused_and_the_hint_leads_back(ring: Ring) -> None:
    """SQLite alone would sell again what the damaged part of its log says is sold."""
    ring.start()
    ring.ask("office", "create", *JOURNEY, "--seats", "2")
    assert ring.ask("c1", "reserve", "--wait", "60s")["outcome"] == "owned"
    until("all is acknowledged", lambda: settled(ring, "c1"))
    epoch = ring.ask("office", "snapshot", "take", "--wait", "60s")
    tickets = {name: ring.ask(name, "tickets") for name in ring.names}
    for name in ring.names:
        ring.kill(name)
    log = ring.directory / "office" / "node.db-wal"
    log.write_bytes(log.read_bytes()[:-5000])
    files = {file: file.read_bytes() for file in log.parent.glob("node.db*")}
    done = train("node", ring.directory / "office.json", "--state", log.parent)
    assert done.returncode == 4
    assert "changes are missing: node.db-wal is damaged" in done.stderr
    assert "move node.db* of every node away, start them all, and load it" in done.stderr
    assert {file: file.read_bytes() for file in files} == files
    for name in ring.names:
        for file in (ring.directory / name).glob("node.db*"):
            file.rename(file.with_name(f"was-{file.name}"))
    ring.start()
    assert ring.ask("office", "tickets") == []
    ring.ask("office", "snapshot", "load", str(epoch), "--wait", "60s")
    until("c1 has what it had", lambda: ring.ask("c1", "tickets") == tickets["c1"])
    assert {name: ring.ask(name, "tickets") for name in ring.names} == tickets
    assert ring.ask("c2", "reserve", "--wait", "60s")["outcome"] == "owned"


def test_one_state_has_one_process_and_one_name(ring: Ring) -> None:
    ring.start("office")
    second = train("node", ring.directory / "office.json", "--state", ring.directory / "office")
    assert second.returncode == 5
    assert "another process runs on this state" in second.stderr
    ring.end()
    other = train("node", ring.directory / "c1.json", "--state", ring.directory / "office")
    assert other.returncode == 4
    assert "the state is of node office" in other.stderr


def test_a_port_that_is_taken_is_named(ring: Ring) -> None:
    ring.start("office")
    second = train("node", ring.directory / "office.json", "--state", ring.directory / "elsewhere")
    assert second.returncode == 5
    assert "address already in use" in second.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "config: expected an object"),
        ('{"name": "a"}', "config: missing: office"),
        ('{"name": "a b", "office": "o"}', "node name 'a b'"),
        ('{"name": "o", "office": "o", "hold": 1}', "config: missing or unknown: hold"),
        ('{"name": "o", "office": "o", "settings": {"hops": "9"}}', "config.settings.hops"),
        ('{"name": "o", "office": "o", "neighbors": {"c": {"host": "c"}}}', "neighbors[c]"),
    ],
)
def test_a_configuration_that_makes_no_sense_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "train.json").write_text(text)
    code, _, error = train_here("node", tmp_path / "train.json", "--state", tmp_path / "state")
    assert code == 2
    assert said in error
    assert not (tmp_path / "state").exists()
