"""Evidence on its way from containers to the run directory."""

from __future__ import annotations

import json
import os
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.collect.databases import (
    RawClocks,
    collect_records,
    empty_databases,
    hand_in_readings,
    on_lab_time,
)
from ntplab.collect.files import collect_logs
from ntplab.collect.samples import BuyersFeed, ClockReading, ObserverFeed
from ntplab.collect.streams import Stream, documents, lines
from ntplab.driver.base import ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.errors import EvidenceError
from ntplab.topology import NodeSpec

LAB = "t"
CLOCKS = RawClocks(anchor_ns=1_000, offset_ns={"paris": 50, "lyon": 7_000})


class Sink:
    """Takes rows as a spool does."""

    def __init__(self) -> None:
        self.rows: list[tuple[str, dict[str, Any]]] = []

    def __call__(self, table: str, rows: Any) -> int:
        self.rows += [(table, row) for row in rows]
        return len(self.rows)


def running(driver: FakeDriver, node: str, log: list[bytes] | None = None) -> None:
    driver.create(LAB, NodeSpec(node, "server", "image"), {}, {})
    driver.start(LAB, node)
    driver.nodes[LAB, node].log += log or []


@given(st.lists(st.binary(max_size=20).map(lambda b: b.replace(b"\n", b"")), max_size=8), st.data())
def test_lines_do_not_depend_on_where_the_chunks_were_cut(
    content: list[bytes], data: st.DataObject
) -> None:
    whole = b"".join(line + b"\n" for line in content) + b"torn"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    edges = [0, *cuts, len(whole)]
    chunks = [whole[a:b] for a, b in pairwise(edges)]
    assert list(lines(chunks)) == content


def test_what_is_no_document_is_set_aside_not_lost() -> None:
    stray: list[str] = []
    text = b'{"t":"clock"}\nTraceback: oops\n\n[1]\n{"no":"t"}\n{"t":"done"}\n'
    assert [d["t"] for d in documents([text], stray.append)] == ["clock", "done"]
    assert stray == ["Traceback: oops", "[1]", '{"no":"t"}']


def test_a_stream_hands_over_all_that_a_node_said() -> None:
    driver, seen = FakeDriver(), []
    running(driver, "observer", [b'{"t":"a"}\n{"t":', b'"b"}\n'])
    stream = Stream(driver, LAB, "observer", lambda d: seen.append(d["t"])).start()
    stream.join(timeout_s=5)
    assert stream.ended
    assert seen == ["a", "b"]


def test_observer_documents_become_rows_and_the_newest_reading_stays_at_hand() -> None:
    sink, events = Sink(), []
    feed = ObserverFeed(sink, events.append)
    feed({"t": "ready", "raw_ns": 5, "lab_ns": 6})
    feed({"t": "clock", "lab_ns": 10, "n": {"lyon": [7, -3], "paris": [10, 0]}})
    feed({"t": "clock", "lab_ns": 20, "n": {"lyon": [18, -2]}})
    feed({"t": "belief", "lab_ns": 21, "node": "lyon", "state": "ok", "offset_ns": -2})
    feed({"t": "gap", "lab_ns": 30, "seconds": 0.5})
    assert feed.ready == {"t": "ready", "raw_ns": 5, "lab_ns": 6}
    assert [(t, r["node"], r["lab_ns"]) for t, r in sink.rows] == [
        ("clock", "lyon", 10),
        ("clock", "paris", 10),
        ("clock", "lyon", 20),
        ("belief", "lyon", 21),
    ]
    assert feed.latest()["lyon"].divergence_ns == -2
    assert feed.latest()["paris"].divergence_ns == 0
    assert [event.record()["event"] for event in events] == ["sample.gap"]


def test_readings_are_kept_ten_in_a_second_and_where_a_clock_jumped() -> None:
    feed = ObserverFeed(Sink(), lambda _: None)
    for lab_ms in range(0, 1_000, 50):
        theta_ns = -5_000_000_000 if lab_ms >= 450 else 7
        lab_ns = lab_ms * 1_000_000
        feed({"t": "clock", "lab_ns": lab_ns, "n": {"lyon": [lab_ns + theta_ns, theta_ns]}})
    kept = [(r.lab_ns // 1_000_000, r.divergence_ns) for r in feed.take_readings()["lyon"]]
    assert [ms for ms, _ in kept] == [0, 100, 200, 300, 400, 450, 550, 650, 750, 850, 950]
    assert [theta_ns for _, theta_ns in kept[4:6]] == [7, -5_000_000_000]
    assert feed.take_readings() == {}


def test_buyers_are_done_only_when_they_say_so() -> None:
    sink = Sink()
    feed = BuyersFeed(sink)
    feed({"t": "load", "phase": "p", "arrivals": 2})
    feed({"t": "attempt", "attempt_id": "a1"})
    assert (feed.arrivals, feed.attempts, feed.done) == (2, 1, False)
    feed({"t": "done", "attempts": 1, "unsent": 1})
    assert (feed.done, feed.unsent) == (True, 1)
    assert sink.rows == [("attempts", {"t": "attempt", "attempt_id": "a1"})]


def test_raw_readings_are_put_on_lab_time_by_the_server_that_took_them() -> None:
    claim = {
        "origin": "paris",
        "holder_server": "lyon",
        "claimed_raw_ns": 60,
        "received_raw_ns": 7_030,
        "stamp_ns": 5,
    }
    moved = on_lab_time(claim, CLOCKS)
    assert moved["claimed_lab_ns"] == 60 - 50 + 1_000
    assert moved["received_lab_ns"] == 7_030 - 7_000 + 1_000
    assert moved["stamp_ns"] == 5
    assert not any(key.endswith("_raw_ns") for key in moved)
    undecided = on_lab_time({"server": "lyon", "decided_raw_ns": None}, CLOCKS)
    assert undecided == {"server": "lyon", "decided_lab_ns": None}


class Databases:
    """A node in which a psql of ours stands in for the real one; the shell is real.

    It has the databases `names`, keeps what it is told and prints `rows`.
    """

    def __init__(self, folder: Path, names: str, code: int = 0) -> None:
        self.driver = FakeDriver()
        running(self.driver, "db")
        self.driver.answer(["sh"], self.run)
        self.folder, self.calls = folder, 0
        self.rows.write_text("")
        (folder / "psql").write_text(
            f'#!/bin/sh\ncase "$*" in *pg_database*) echo "{names}"; exit ;; esac\n'
            f'cat >>{folder}/told; cat {self.rows}; echo "FATAL: no" >&2; exit {code}\n'
        )
        (folder / "psql").chmod(0o755)

    @property
    def rows(self) -> Path:
        return self.folder / "rows"

    @property
    def told(self) -> list[str]:
        return (self.folder / "told").read_text().splitlines()

    def run(self, _node: str, argv: Any, stdin: bytes | None) -> ExecResult:
        self.calls += 1
        path = f"{self.folder}:{os.environ['PATH']}"
        done = subprocess.run(argv, input=stdin, capture_output=True, env={"PATH": path})
        return ExecResult(done.returncode, done.stdout.decode(), done.stderr.decode())


@given(seat=st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30))
def test_any_text_survives_the_way_out_of_postgresql(seat: str) -> None:
    """COPY's text format doubles backslashes, and JSON has many for odd characters."""
    row = {"server": "paris", "seat": seat, "claimed_raw_ns": 60}
    copied = json.dumps({"table": "reservations", "row": row}).replace("\\", "\\\\") + "\n"
    driver, sink = FakeDriver(), Sink()
    running(driver, "db")
    driver.answer(["sh"], ExecResult(0, copied, ""))
    assert collect_records(driver, LAB, "p", CLOCKS, sink) == {"claims": 0, "reservations": 1}
    assert sink.rows[0][1]["seat"] == seat


def test_records_are_read_from_every_booking_database_by_one_command(tmp_path: Path) -> None:
    db, sink = Databases(tmp_path, "booking_lyon booking_paris"), Sink()
    row = {"origin": "paris", "holder_server": "lyon", "claimed_raw_ns": 60}
    db.rows.write_text(json.dumps({"table": "claims", "row": row}) + "\n")
    found = collect_records(db.driver, LAB, "o'clock", CLOCKS, sink)
    assert found == {"claims": 1, "reservations": 0}
    assert db.calls == 1
    assert db.told.count("SET TIME ZONE 'UTC';") == 2
    assert db.told[0] == "\\connect booking_lyon"
    assert sum(line.startswith("COPY") and "phase = 'o''clock'" in line for line in db.told) == 4


def test_every_booking_database_is_emptied_in_one_go(tmp_path: Path) -> None:
    db = Databases(tmp_path, "booking booking_lyon")
    empty_databases(db.driver, LAB)
    assert db.calls == 1
    connects = [i for i, line in enumerate(db.told) if line.startswith("\\connect")]
    assert [db.told[i] for i in connects] == ["\\connect booking", "\\connect booking_lyon"]
    assert all("TRUNCATE" in "".join(db.told[i : i + 6]) for i in connects)


def test_what_the_observer_saw_goes_into_every_database_by_the_servers_own_clocks(
    tmp_path: Path,
) -> None:
    db = Databases(tmp_path, "booking booking_lyon")
    readings = {
        "lyon": [ClockReading(lab_ns=5_000, wall_ns=4_990, divergence_ns=-10)],
        "db": [ClockReading(lab_ns=5_000, wall_ns=5_000, divergence_ns=0)],
    }
    assert hand_in_readings(db.driver, LAB, CLOCKS, readings, bound_ns=3) == 1
    assert [line for line in db.told if not line.startswith("COPY")] == [
        "\\connect booking", "lyon,4990,11000,-10,3,lab", "\\.",
        "\\connect booking_lyon", "lyon,4990,11000,-10,3,lab", "\\.",
    ]  # fmt: skip
    assert hand_in_readings(db.driver, LAB, CLOCKS, {}, bound_ns=3) == 0
    assert db.calls == 1


def test_databases_that_cannot_be_emptied_are_an_error(tmp_path: Path) -> None:
    db = Databases(tmp_path, "booking", code=2)
    with pytest.raises(EvidenceError, match="cannot be emptied") as raised:
        empty_databases(db.driver, LAB)
    assert raised.value.log_tail == ("FATAL: no",)


def test_logs_of_dead_nodes_are_brought_home_and_missing_ones_named(tmp_path: Any) -> None:
    driver = FakeDriver()
    running(driver, "lyon", [b"last words\n"])
    driver.nodes[LAB, "lyon"].files["/var/log/chrony/tracking.log"] = b"1 2 3\n"
    driver.die(LAB, "lyon")
    missing = collect_logs(driver, LAB, ["lyon", "ghost"], tmp_path)
    assert (tmp_path / "lyon" / "container.log").read_bytes() == b"last words\n"
    assert (tmp_path / "lyon" / "tracking.log").read_bytes() == b"1 2 3\n"
    assert [words.split(":")[0] for words in missing] == ["ghost"]
