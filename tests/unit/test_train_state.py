"""State on disk: what was saved is what comes back, and what is damaged is refused."""

from __future__ import annotations

import json
import random
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from train import codec, commands
from train.commits import Commits, read_commits
from train.host import Host
from train.node import Node, new_client
from train.plain import restore, text_of
from train.reading import Reading
from train.snapshot import document, joined, read_document, split
from train.store import Store, StoreError
from train.ticket import BadValueError, Wish
from trainworld import EPOCH_NS, JOURNEY, OFFICE, SETTINGS, World, lively, stormy

SETTLED = lively(4, "star")
SETTLED.command(OFFICE, commands.take_snapshot)
SETTLED.settle(random.Random(1))
TEXT = document(SETTLED.snapshots[-1])


def history(seed: int, name: str) -> list[Node]:
    """One node's states over a storm, none left out."""
    world, chance = World("ring", 2), random.Random(seed)
    states = [world.nodes[name]]
    for _ in range(3):
        world.command(OFFICE, commands.create_ticket, **JOURNEY)
    for _ in range(300):
        stormy(world, chance, 1)
        if world.nodes[name] is not states[-1]:
            states.append(world.nodes[name])
    return states


@pytest.mark.parametrize("name", [OFFICE, "c0"])
@pytest.mark.parametrize("seed", range(3))
def test_saving_what_changed_is_saving_everything(tmp_path: Path, seed: int, name: str) -> None:
    before: Node | None = None
    steps, whole = Store(tmp_path / "steps.db"), Store(tmp_path / "whole.db")
    states = history(seed, name)
    assert len(states) > 20
    for number, node in enumerate(states):
        steps.save(before, node)
        before = node
        if number % 10 == 0:
            assert steps.load() == node
    whole.save(None, states[-1])
    assert steps.load() == whole.load() == states[-1]
    rows = [dump(tmp_path / file) for file in ("steps.db", "whole.db")]
    assert rows[0] == rows[1]


def dump(path: Path) -> list[Any]:
    """All rows, but of the total only what it sums up: not how many transactions there were."""
    with closing(sqlite3.connect(path)) as db:
        rows = db.execute("SELECT * FROM state WHERE key <> 'total' ORDER BY key").fetchall()
        (total,) = db.execute("SELECT value FROM state WHERE key = 'total'").fetchone()
    return [*rows, json.loads(total)[:2]]


@pytest.mark.parametrize("name", [OFFICE, "c0", "c1"])
def test_every_state_survives_json(name: str) -> None:
    for node in history(9, name)[::5]:
        assert restore(Node, json.loads(text_of(node))) == node


def test_a_new_file_holds_nothing_and_keeps_what_a_process_that_died_saved(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    store = Store(path)
    assert store.load() is None
    store.save(None, SETTLED.nodes["c0"])
    # Not closed: as if killed.
    assert Store(path).load() == SETTLED.nodes["c0"]


def closed_database(folder: Path) -> tuple[Path, Node]:
    node = SETTLED.nodes[OFFICE]
    path = folder / "state.db"
    store = Store(path)
    store.save(None, node)
    store.close()
    assert content(folder).keys() == {"state.db", "state.db-commits"}
    return path, node


def content(folder: Path) -> dict[str, bytes]:
    """Every file of a state; SQLite's index of the log is none of it, and made anew."""
    return {f.name: f.read_bytes() for f in folder.iterdir() if not f.name.endswith("-shm")}


def put(folder: Path, files: dict[str, bytes]) -> None:
    """These and no others."""
    for left in folder.iterdir():
        left.unlink()
    for name, data in files.items():
        (folder / name).write_bytes(data)


def outcome(path: Path) -> Node | str | None:
    """The node that the file holds, or the words of the refusal, which has to leave every byte."""
    before = content(path.parent)
    try:
        with closing(Store(path)) as store:
            return store.load()
    except StoreError as error:
        said = str(error)
    assert content(path.parent) == before
    assert "state.db" in said
    return said


def flipped(good: bytes, chance: random.Random, bits: int) -> bytes:
    bad = bytearray(good)
    for _ in range(bits):
        bad[chance.randrange(len(bad))] ^= 1 << chance.randrange(8)
    return bytes(bad)


def test_a_database_with_flipped_bits_is_refused_or_says_what_it_said(tmp_path: Path) -> None:
    path, node = closed_database(tmp_path)
    good, chance = content(tmp_path), random.Random(3)
    refused = 0
    for number in range(250):
        put(tmp_path, good | {path.name: flipped(good[path.name], chance, 1 + number % 3)})
        found = outcome(path)
        refused += isinstance(found, str)
        assert isinstance(found, str) or found == node, f"number {number}: misread"
    assert refused > 50


def killed_database(folder: Path) -> tuple[Path, dict[str, bytes], list[Node]]:
    """A state as a process leaves it that is killed: with a log of many transactions."""
    path, states = folder / "state.db", history(7, OFFICE)
    with closing(Store(path)) as store:
        for before, after in zip([None, *states], states, strict=False):
            store.save(before, after)
        files = content(folder)
    assert files.keys() == {"state.db", "state.db-wal", "state.db-commits"}
    put(folder, files)
    return path, files, states


def test_a_log_with_flipped_bits_never_takes_a_node_back(tmp_path: Path) -> None:
    path, good, states = killed_database(tmp_path)
    assert outcome(path) == states[-1]
    log, chance, refused = f"{path.name}-wal", random.Random(11), 0
    for number in range(120):
        put(tmp_path, good | {log: flipped(good[log], chance, 1 + number % 3)})
        found = outcome(path)
        refused += isinstance(found, str)
        assert isinstance(found, str) or found == states[-1], f"number {number}: taken back"
    assert refused > 50


@pytest.mark.parametrize("share", [0.0, 0.01, 0.3, 0.9, 0.999])
def test_a_log_that_was_cut_is_refused_and_left_alone(tmp_path: Path, share: float) -> None:
    path, good, _ = killed_database(tmp_path)
    log = f"{path.name}-wal"
    put(tmp_path, good | {log: good[log][: int(len(good[log]) * share)]})
    assert "changes are missing: state.db-wal is damaged" in str(outcome(path))


def test_files_that_are_missing_or_old_are_refused(tmp_path: Path) -> None:
    path, good, states = killed_database(tmp_path)
    with closing(Store(path)):
        pass
    merged = content(tmp_path)
    assert merged.keys() == {"state.db", "state.db-commits"}
    assert outcome(path) == states[-1]
    without = {name: {n: data for n, data in good.items() if n != name} for name in good}
    for files, said in (
        (without["state.db-wal"], "changes are missing"),
        (without["state.db"], "state.db is missing"),
        (without["state.db-commits"], "state.db-commits is missing"),
        (good | {"state.db-commits": b"00000000000000000003 deadbeef\n"}, "the line is damaged"),
        (good | {"state.db-commits": b""}, "state.db-commits"),
        ({"state.db-commits": merged["state.db-commits"]}, "state.db is missing"),
        (merged | {"state.db": good["state.db"]}, "this is an old copy"),
    ):
        put(tmp_path, files)
        assert said in str(outcome(path)), said


@pytest.mark.parametrize("half_made", [{}, {"state.db-commits": b""}])
def test_a_node_killed_when_it_was_born_is_born_again(
    tmp_path: Path, half_made: dict[str, bytes]
) -> None:
    put(tmp_path, half_made | {".state.db.new": b"half a data"})
    assert outcome(tmp_path / "state.db") is None


def test_a_node_killed_between_commit_and_count_comes_back(tmp_path: Path) -> None:
    path, _, states = killed_database(tmp_path)
    commits = tmp_path / "state.db-commits"
    written = read_commits(commits)
    with closing(Commits(commits)) as count:
        count.write(written - 1)
    assert outcome(path) == states[-1]
    assert read_commits(commits) == written - 1


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9, 0.999])
def test_a_truncated_database_is_refused_and_left_alone(tmp_path: Path, share: float) -> None:
    path, node = closed_database(tmp_path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    found = outcome(path)
    if share > 0.99:  # SQLite may do without the unused end of its last page
        assert found == node or isinstance(found, str)
    else:
        assert isinstance(found, str)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE state SET value = replace(value, 'available', 'deleted!!')",
        "UPDATE state SET value = '{}', crc = 0 WHERE key = 'node'",
        "DELETE FROM state WHERE key = 'node'", "DELETE FROM state WHERE key LIKE 'sales/%'",
        "DELETE FROM state", "DROP TABLE state", "PRAGMA user_version = 7",
        "UPDATE state SET key = 'sales/x' WHERE key = 'sales/1'",
        "UPDATE state SET key = 'sales/99' WHERE key = 'sales/1'",
        "DELETE FROM state WHERE key = 'total'", "DELETE FROM state WHERE key = 'sales/1'",
    ],
)  # fmt: skip
def test_a_database_that_was_tampered_with_is_refused(tmp_path: Path, change: str) -> None:
    path, _ = closed_database(tmp_path)
    with closing(sqlite3.connect(path)) as db:
        db.execute(change)
        db.commit()
    found = outcome(path)
    assert isinstance(found, str), change


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path, _ = closed_database(tmp_path)
    path.write_text("Dear diary,\n" * 500)
    assert "file is not a database" in str(outcome(path))
    (tmp_path / "state.db-commits").unlink()
    assert "state.db-commits is missing" in str(outcome(path))


# snapshots


def test_a_snapshots_file_says_what_the_snapshot_says() -> None:
    assert read_document(TEXT) == SETTLED.snapshots[-1]


def test_a_damaged_snapshot_is_refused() -> None:
    chance = random.Random(5)
    data = TEXT.encode()
    for _ in range(400):
        bad = bytearray(data)
        bad[chance.randrange(len(bad) - 1)] ^= 1 << chance.randrange(8)
        with pytest.raises(BadValueError):
            read_document(bad.decode("utf-8", "surrogateescape"))
    for end in range(0, len(TEXT) - 1, 97):
        with pytest.raises(BadValueError):
            read_document(TEXT[:end])


@pytest.mark.parametrize("text", ["", "[]", "{}", "7", '{"schema":2,"sha256":"","snapshot":{}}',
                                  '{"schema":1,"sha256":"","snapshot":[]}',
                                  "[" * 90_000])  # fmt: skip
def test_what_is_no_snapshot_is_refused(text: str) -> None:
    with pytest.raises(BadValueError):
        read_document(text)


def test_a_cut_that_lacks_a_crossing_message_is_refused() -> None:
    whole = read_document(TEXT)
    office = whole.parts[OFFICE]
    with pytest.raises(BadValueError, match="not whole"):
        replace(whole, parts={**whole.parts, OFFICE: replace(office, balance=office.balance + 1)})


def test_a_part_is_whole_only_with_every_piece_in_its_place() -> None:
    part = SETTLED.snapshots[-1].parts[OFFICE]
    chance = random.Random(1)
    places = ("".join(chance.choices("abcdefghijklmnop", k=40)) for _ in range(60))
    office = World("star", 1)
    for place in places:
        office.command(OFFICE, commands.create_ticket, **(JOURNEY | {"origin": place}))
    part = replace(part, office=office.nodes[OFFICE].office)
    pieces, digest = split(part)
    assert len(pieces) > 1
    numbered = dict(enumerate(pieces))
    assert joined(numbered, len(pieces), digest) == part
    assert joined(dict(list(numbered.items())[1:]), len(pieces), digest) is None
    for wrong in (
        {**numbered, 0: pieces[0][::-1]}, {**numbered, 0: pieces[1], 1: pieces[0]},
        {**numbered, 99: "more"},
    ):  # fmt: skip
        with pytest.raises(BadValueError, match="digest"):
            joined(wrong, len(pieces), digest)


# a host that is killed


class Killed(Exception):
    pass


class Machine:
    """Hosts of one client whose process may be killed when it says something."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.sent = folder, list[str]()
        self.kill = False

    def boot(self) -> Host:
        def send(line: str) -> None:
            if self.kill:
                raise Killed
            self.sent.append(line)

        host = Host(
            new_client("c0", OFFICE), settings=SETTINGS, rules=None,
            store=Store(self.folder / "state.db"), snapshots=self.folder,
            clocks=lambda: Reading(1, EPOCH_NS), send=send, log=lambda _document: None,
        )  # fmt: skip
        host.start()
        return host


def test_a_node_killed_between_commit_and_send_ends_its_request(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    host = machine.boot()
    machine.kill = True
    with pytest.raises(Killed):
        host.command(commands.reserve, Wish())
    machine.kill, machine.sent = False, []
    again = machine.boot()
    assert again.node.incarnation == 2
    assert again.node.client is not None
    assert again.node.client.request == 1
    again.tick()
    kinds = [type(codec.decode(line).body).__name__ for line in machine.sent]
    assert "Sync" in kinds
    assert "Req" in kinds


def test_nothing_is_sent_that_is_not_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(tmp_path)
    host = machine.boot()

    def full(_self: Store, _old: Node | None, _new: Node) -> None:
        raise StoreError("disk full")

    monkeypatch.setattr(Store, "save", full)
    with pytest.raises(StoreError, match="disk full"):
        host.command(commands.reserve, Wish())
    assert machine.sent == []
    monkeypatch.undo()
    client = machine.boot().node.client
    assert client is not None
    assert client.request == 0


def test_a_command_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    host = machine.boot()
    host.command(commands.reserve, Wish())
    node, sent = host.node, list(machine.sent)
    with pytest.raises(BadValueError, match="still requesting"):
        host.command(commands.reserve, Wish())
    with pytest.raises(BadValueError, match="is a client"):
        host.command(commands.load_snapshot, SETTLED.snapshots[-1])
    assert host.node is node
    assert machine.sent == sent


def test_another_nodes_state_is_refused(tmp_path: Path) -> None:
    store = Store(tmp_path / "state.db")
    store.save(None, new_client("c1", OFFICE))
    store.close()
    with pytest.raises(StoreError, match="of node c1"):
        Machine(tmp_path).boot()


def test_a_damaged_snapshot_file_leaves_the_node_alone(tmp_path: Path) -> None:
    host = Machine(tmp_path).boot()
    node = host.node
    (tmp_path / "snapshot-3.json").write_text(TEXT[:-200])
    (tmp_path / "snapshot-4.json").write_bytes(b"\xff\xfe" + TEXT.encode())
    assert host.snapshot_epochs() == [3, 4]
    for epoch in (3, 4):
        with pytest.raises(BadValueError, match=r"snapshot|damaged"):
            host.snapshot(epoch)
    with pytest.raises(BadValueError, match="no snapshot 9; there are: 3, 4"):
        host.snapshot(9)
    assert host.node is node
