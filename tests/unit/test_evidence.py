"""The run directory: layout, spool, sealing, checksums, and what a kill leaves behind."""

from __future__ import annotations

import contextlib
import errno
import os
import resource
import signal
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.errors import DiskError, EvidenceError, UsageError
from ntplab.evidence import (
    TABLES,
    Evidence,
    Manifest,
    ManifestNode,
    RunDirectory,
    Skew,
    SpoolWriter,
    check_checksums,
    find_run,
    list_runs,
    seal,
    write_checksums,
)
from ntplab.evidence.files import append_whole, write_atomic
from ntplab.evidence.schema import TRAIN_TABLES

CONCERT_TABLES = [table for table in TABLES if table not in TRAIN_TABLES]
STARTED = datetime(2026, 11, 22, 8, 30, 5, tzinfo=UTC)


def test_tables_of_the_train_system_are_sealed_where_they_are(run: RunDirectory) -> None:
    with SpoolWriter(run) as spool:
        spool.append("ticket_events", [{"node": "office", "event": "ticket.held", "ticket_id": 3}])
    assert seal(run)["ticket_events"] == 1
    assert not (run.evidence / "train_snapshots.parquet").exists()
    assert Evidence(run).table("ticket_events")["ticket_id"].to_pylist() == [3]


def manifest(run: RunDirectory, **fields: Any) -> Manifest:
    return Manifest(run=run.run_id, scenario_name="concert", policy="unique", seed=1, **fields)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    made = RunDirectory.create(tmp_path / "runs", "concert", STARTED, "abc123")
    made.write_manifest(manifest(made))
    return made


def clock_row(lab_ns: int, node: str = "lyon") -> dict[str, Any]:
    return {
        "lab_ns": lab_ns,
        "node": node,
        "wall_ns": lab_ns - 5,
        "divergence_ns": -5,
        "error_ns": None,
    }


def rows_of(run: RunDirectory, table: str) -> list[dict[str, Any]]:
    return Evidence(run).table(table).to_pylist()


def test_create_names_the_run_after_its_utc_start_and_moves_latest(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    paris = timezone(timedelta(hours=1))
    first = RunDirectory.create(runs, "concert", STARTED.astimezone(paris), "aaaaaa")
    assert first.path == (runs / "concert" / "20261122T083005Z-aaaaaa").resolve()
    assert (runs / "latest").resolve() == first.path
    second = RunDirectory.create(runs, "cures", STARTED)
    assert (runs / "latest").resolve() == second.path
    assert not list(runs.glob(".latest*"))


@pytest.mark.parametrize("name", ["../up", "latest", "", "a/b", ".hidden"])
def test_a_scenario_that_is_no_file_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="cannot name a directory"):
        RunDirectory.create(tmp_path, name, STARTED)


def test_create_at_refuses_a_directory_with_files(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    with pytest.raises(UsageError, match="not empty"):
        RunDirectory.create_at(tmp_path)


def test_find_run_by_every_name(run: RunDirectory, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    names = ["latest", run.run_id, f"concert/{run.run_id}", "abc123", str(run.path)]
    assert {find_run(name, runs).path for name in names} == {run.path}
    assert [found.path for found in list_runs(runs)] == [run.path]


def test_find_run_errors_say_what_there_is(run: RunDirectory, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    with pytest.raises(EvidenceError, match=f"no run 'zzz'.*newest is {run.run_id}"):
        find_run("zzz", runs)
    with pytest.raises(EvidenceError, match="no run yet"):
        find_run("latest", tmp_path / "elsewhere")
    with pytest.raises(EvidenceError, match=r"no manifest\.json"):
        find_run(str(tmp_path), runs)
    other = RunDirectory.create(runs, "cures", STARTED, "abc123")
    other.write_manifest(manifest(other))
    with pytest.raises(EvidenceError, match=r"several runs: concert/.*, cures/"):
        find_run("abc123", runs)


def test_manifest_round_trip_keeps_extra_keys_and_names_what_is_damaged(run: RunDirectory) -> None:
    nodes = [ManifestNode(name="lyon", kind="server"), ManifestNode(name="db", kind="database")]
    run.write_manifest(manifest(run, nodes=nodes, skews={"lyon": Skew(offset_ns=-5)}, moon="full"))
    back = run.read_manifest()
    assert back.servers == ["lyon"]
    assert back.skews["lyon"].offset_ns == -5
    assert back.model_extra == {"moon": "full"}
    (run.path / "manifest.json").write_text('{"run": "x"}')
    with pytest.raises(EvidenceError, match="damaged: scenario_name"):
        run.read_manifest()


@given(offset_ns=st.integers(-(10**10), 10**10), ppm=st.floats(-500, 500), s=st.integers(0, 3600))
def test_skew_drifts_by_ppm(offset_ns: int, ppm: float, s: int) -> None:
    moved = Skew(offset_ns=offset_ns, drift_ppm=ppm).divergence_ns(s * 10**9) - offset_ns
    assert moved == pytest.approx(ppm * 1000 * s, abs=0.51)


def test_sealing_keeps_every_row_and_removes_the_spool(run: RunDirectory) -> None:
    with SpoolWriter(run) as spool:
        assert spool.append("clock", [clock_row(t) for t in range(3)]) == 3
        spool.append("clock", [clock_row(3)])
    before = rows_of(run, "clock")
    assert seal(run) == dict.fromkeys(CONCERT_TABLES, 0) | {"clock": 4}
    assert rows_of(run, "clock") == before
    assert [r["lab_ns"] for r in before] == [0, 1, 2, 3]
    assert not list(run.evidence.glob("*.jsonl"))
    assert Evidence(run).missing == []


def test_sealing_again_after_a_kill_between_rename_and_removal(run: RunDirectory) -> None:
    with SpoolWriter(run) as spool:
        spool.append("clock", [clock_row(1)])
    spool_file = run.evidence / "clock.jsonl"
    kept = spool_file.read_bytes()
    seal(run)
    spool_file.write_bytes(kept)
    assert seal(run)["clock"] == 1
    assert rows_of(run, "clock") == [clock_row(1)]


def test_sealing_is_done_in_row_groups(run: RunDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ntplab.evidence.sealing.ROW_GROUP_ROWS", 10)
    with SpoolWriter(run) as spool:
        spool.append("clock", (clock_row(t) for t in range(25)))
    seal(run)
    assert pq.read_metadata(run.evidence / "clock.parquet").num_row_groups == 3


@given(cut=st.integers(1, 50))
def test_a_torn_last_line_is_skipped_and_named(
    tmp_path_factory: pytest.TempPathFactory, cut: int
) -> None:
    run = RunDirectory.create_at(tmp_path_factory.mktemp("torn") / "run")
    with SpoolWriter(run) as spool:
        spool.append("clock", [clock_row(t) for t in range(5)])
    path = run.evidence / "clock.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    evidence = Evidence(run)
    assert [r["lab_ns"] for r in evidence.table("clock").to_pylist()] == [0, 1, 2, 3]
    assert evidence.torn == {"evidence/clock.jsonl"}


def test_damage_that_is_not_a_torn_end_is_an_error_with_its_line(run: RunDirectory) -> None:
    (run.evidence / "clock.jsonl").write_text('{"lab_ns":1}\n{"lab_\n{"lab_ns":3}\n')
    with pytest.raises(EvidenceError, match=r"clock\.jsonl:2: damaged"):
        rows_of(run, "clock")
    (run.evidence / "clock.jsonl").write_text('{"lab_ns":"soon"}\n')
    with pytest.raises(EvidenceError, match=r"clock\.jsonl: damaged"):
        rows_of(run, "clock")
    (run.evidence / "clock.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(EvidenceError, match="cannot be read as Parquet"):
        rows_of(run, "clock")


@pytest.mark.parametrize("sealed", [False, True])
def test_columns_come_in_the_order_asked_for(run: RunDirectory, sealed: bool) -> None:
    with SpoolWriter(run) as spool:
        spool.append("clock", [clock_row(7)])
    if sealed:
        seal(run)
    table = Evidence(run).table("clock", ["node", "lab_ns"])
    assert (table.column_names, table.to_pylist()) == (
        ["node", "lab_ns"],
        [{"node": "lyon", "lab_ns": 7}],
    )


def test_parquet_of_another_shape_or_with_broken_text_is_damage(run: RunDirectory) -> None:
    path = run.evidence / "clock.parquet"
    pq.write_table(pa.table({name: ["x"] for name in TABLES["clock"].names}), path)
    with pytest.raises(EvidenceError, match="columns are not those expected"):
        rows_of(run, "clock")
    broken = pa.array([b"\xed\x20"]).view(pa.string())
    pq.write_table(pa.table([[1], broken, [1], [1], [1]], schema=TABLES["clock"]), path)
    with pytest.raises(EvidenceError, match="cannot be read as Parquet"):
        rows_of(run, "clock")


def test_missing_tables_are_named_and_empty(run: RunDirectory) -> None:
    evidence = Evidence(run)
    assert evidence.missing == CONCERT_TABLES
    assert evidence.table("attempts", ["seat"]).to_pylist() == []
    assert evidence.events() == []


def test_rows_are_cast_flattened_and_stripped_to_the_columns(run: RunDirectory) -> None:
    with SpoolWriter(run) as spool:
        spool.append("belief", [{"lab_ns": 7.0, "node": "lyon", "ref_id": "x", "stratum": None}])
        spool.append("attempts", [{"seat": "A", "confirm": {"outcome": "confirmed", "sent_ns": 4}}])
    belief, attempt = rows_of(run, "belief")[0], rows_of(run, "attempts")[0]
    assert (belief["lab_ns"], belief["stratum"], "ref_id" in belief) == (7, None, False)
    assert (attempt["confirm_outcome"], attempt["confirm_sent_ns"]) == ("confirmed", 4)


def test_a_bad_row_writes_nothing_of_its_batch(run: RunDirectory) -> None:
    with SpoolWriter(run) as spool:
        with pytest.raises(ValueError, match="soon"):
            spool.append("clock", [clock_row(1), {"lab_ns": "soon"}])
        with pytest.raises(KeyError):
            spool.append("clocks", [clock_row(1)])
        spool.append("clock", [clock_row(2)])
    assert rows_of(run, "clock") == [clock_row(2)]


def test_rows_are_readable_before_the_spool_is_closed(run: RunDirectory) -> None:
    spool = SpoolWriter(run)
    spool.append("clock", [clock_row(1)])
    assert rows_of(run, "clock") == [clock_row(1)]
    spool.close()


def test_events_keep_their_order_and_fields(run: RunDirectory) -> None:
    run.append_event({"lab_ns": 5, "event": "phase.started", "phase": "control"})
    run.append_event({"lab_ns": 6, "event": "fault.in_force", "node": "lyon", "asked_ns": 4})
    started, fault = Evidence(run).events()
    assert (started.lab_ns, started.name, started.phase) == (5, "phase.started", "control")
    assert (started.node, fault.node, fault.fields["asked_ns"]) == (None, "lyon", 4)


def test_checksums_notice_a_changed_a_missing_and_an_added_file(run: RunDirectory) -> None:
    run.write_text("logs/lyon/chronyd.log", "hello")
    run.write_text("plan.json", "{}")
    write_checksums(run)
    assert check_checksums(run) == []
    (run.path / "logs/lyon/chronyd.log").write_text("hellp")
    (run.path / "plan.json").unlink()
    (run.path / "extra").write_text("")
    assert check_checksums(run) == [
        "logs/lyon/chronyd.log: changed since the run (its SHA-256 differs)",
        "plan.json: missing",
        "extra: added after the run",
    ]


def test_a_derived_file_renews_only_its_own_checksum(run: RunDirectory) -> None:
    run.write_text("plan.json", "{}")
    write_checksums(run)
    run.write_derived("results.json", "{}")
    assert check_checksums(run) == []
    (run.path / "plan.json").write_text("[]")
    run.write_derived("results.json", "{ }")
    assert [problem.split(":")[0] for problem in check_checksums(run)] == ["plan.json"]


def test_a_run_without_checksums_is_said_to_be_unfinished(run: RunDirectory) -> None:
    run.write_derived("results.json", "{}")
    assert "SHA256SUMS is missing" in check_checksums(run)[0]


def test_a_full_disk_is_told_and_leaves_no_half_line(tmp_path: Path) -> None:
    run = RunDirectory.create_at(tmp_path / "run")
    (run.evidence / "clock.jsonl").symlink_to("/dev/full")
    spool = SpoolWriter(run)
    with pytest.raises(
        DiskError, match=r"clock\.jsonl: cannot be written: No space left"
    ) as raised:
        spool.append("clock", [{"lab_ns": 1, "node": "paris"}])
    with contextlib.suppress(DiskError):
        spool.close()
    assert raised.value.hint.startswith("free some space")
    assert raised.value.exit_code == 5


def test_what_does_not_fit_is_left_out_whole(tmp_path: Path) -> None:
    """A file size limit writes what fits of a line, as a disk that fills up does."""
    path = tmp_path / "lines"
    append_whole(path, b"first\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            append_whole(path, b"second\n")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert path.read_bytes() == b"first\n"


def test_an_atomic_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.json"
    write_atomic(path, b"old")

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskError):
        write_atomic(path, b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("results.json", b"old")]
