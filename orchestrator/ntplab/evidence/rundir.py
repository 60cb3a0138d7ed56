"""The run directory's layout: making one, finding one, and the small files in it.

runs/<scenario>/<UTC start>-<short id>/     runs/latest -> the newest
  manifest.json  scenario.yaml  plan.json  rendered/<node>/chrony.conf
  events.jsonl   evidence/*.parquet (or *.jsonl while running)   logs/<node>/*
  results.json   report.html   SHA256SUMS
"""

from __future__ import annotations

import json
import os
import re
import secrets
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..errors import EvidenceError, UsageError
from .checksums import SUMS, update_checksum
from .files import append_whole, write_atomic, writing
from .manifest import Manifest

MANIFEST = "manifest.json"
EVENTS = "events.jsonl"
EVIDENCE = "evidence"
RESULTS = "results.json"
LATEST = "latest"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LIST_HINT = "`ntplab runs list` shows the runs there are"


class RunDirectory:
    """One run on disk. `path` is absolute; safe to append events from several threads."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self._events_lock = threading.Lock()

    @classmethod
    def create(
        cls, runs: Path, scenario: str, started: datetime, short_id: str | None = None
    ) -> RunDirectory:
        """Make `runs/<scenario>/<UTC start>-<short id>/` and point `runs/latest` at it.

        `started` must be timezone-aware. Raises ValueError for a scenario name that is no
        plain file name.
        """
        run = cls.create_at(cls.name_for(runs, scenario, started, short_id).path)
        point_latest(runs, run.path)
        return run

    @classmethod
    def name_for(
        cls, runs: Path, scenario: str, started: datetime, short_id: str | None = None
    ) -> RunDirectory:
        """Where the run would be; makes nothing yet."""
        if not _NAME.fullmatch(scenario) or scenario == LATEST:
            raise ValueError(f"{scenario!r} cannot name a directory of runs")
        stamp = started.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
        return cls(runs / scenario / f"{stamp}-{short_id or secrets.token_hex(3)}")

    @classmethod
    def create_at(cls, path: Path) -> RunDirectory:
        """Make a run directory at exactly `path` (`--out`). Raises UsageError if it has files."""
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise UsageError(
                f"{path}: already exists and is not empty", hint="name a new directory"
            )
        with writing(path):
            (path / EVIDENCE).mkdir(parents=True)
        return cls(path)

    @classmethod
    def open(cls, path: Path) -> RunDirectory:
        """An existing run directory. Raises EvidenceError when `path` is none."""
        if not path.is_dir():
            raise EvidenceError(f"{path}: no such run directory", hint=_LIST_HINT)
        if not (path / MANIFEST).is_file():
            raise EvidenceError(f"{path}: no {MANIFEST}, so this is no run directory")
        return cls(path)

    @property
    def run_id(self) -> str:
        """The directory's name: `<UTC start>-<short id>`."""
        return self.path.name

    @property
    def evidence(self) -> Path:
        return self.path / EVIDENCE

    @property
    def results(self) -> Path:
        return self.path / RESULTS

    @property
    def is_sealed(self) -> bool:
        """Whether the run has ended and its checksums are written: nothing comes any more."""
        return (self.path / SUMS).exists()

    def write_manifest(self, manifest: Manifest) -> None:
        """Write or replace manifest.json, atomically."""
        self.write_text(MANIFEST, manifest.model_dump_json(by_alias=True, indent=2) + "\n")

    def read_manifest(self) -> Manifest:
        """Raises EvidenceError when it is missing or damaged."""
        path = self.path / MANIFEST
        try:
            return Manifest.model_validate_json(path.read_bytes())
        except OSError as error:
            raise EvidenceError(f"{path}: {error.strerror}", hint=_LIST_HINT) from error
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise EvidenceError(f"{path}: damaged: {where}: {first['msg']}") from error

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file of the run that nothing hangs on: a kill may leave half of it."""
        target = self.path / name
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)

    def write_text(self, name: str, text: str) -> None:
        """Write or replace a file of the run (path relative to it), atomically."""
        write_atomic(self.path / name, text.encode())

    def write_derived(self, name: str, text: str) -> None:
        """`write_text` for what can be made again (results, report): renews its checksum too.

        Only its own line of SHA256SUMS changes, so that judging a run again never vouches
        for evidence that somebody touched.
        """
        self.write_text(name, text)
        update_checksum(self.path, name)

    def append_event(self, record: Mapping[str, Any]) -> None:
        """Append one line to events.jsonl, at once: `Event.record()`, with lab_ns and event."""
        line = json.dumps(record, separators=(",", ":"))
        path = self.path / EVENTS
        with self._events_lock, writing(path):
            append_whole(path, line.encode() + b"\n")

    def sync_events(self) -> None:
        """fsync events.jsonl."""
        if (self.path / EVENTS).exists():
            with writing(self.path / EVENTS), (self.path / EVENTS).open("ab") as file:
                os.fsync(file.fileno())


def point_latest(runs: Path, target: Path) -> None:
    """Replace `runs/latest` in one step: a reader never finds it missing."""
    temporary = runs / f".{LATEST}.{secrets.token_hex(4)}.tmp"
    temporary.symlink_to(os.path.relpath(target, runs.resolve()))
    temporary.replace(runs / LATEST)


def list_runs(runs: Path) -> list[RunDirectory]:
    """Every run under `runs`, oldest first (names begin with the UTC start)."""
    manifests = runs.glob(f"*/*/{MANIFEST}")
    found = [m.parent for m in manifests if m.parent.parent.name != LATEST]
    return [RunDirectory(path) for path in sorted(found, key=lambda p: (p.name, str(p)))]


def find_run(which: str, runs: Path) -> RunDirectory:
    """A run by path, "latest", run id, `<scenario>/<run id>` or the short id at its end.

    Raises EvidenceError that says what was looked for, and what else there is.
    """
    if which == LATEST and not (runs / LATEST).exists():
        raise EvidenceError(f"{runs}: no run yet", hint="`ntplab demo` makes one")
    for path in (runs / which, Path(which)):
        if path.is_dir():
            return RunDirectory.open(path)
    known = list_runs(runs)
    matching = [run for run in known if run.run_id == which or run.run_id.endswith(f"-{which}")]
    if len(matching) == 1:
        return matching[0]
    if matching:
        names = ", ".join(str(run.path.relative_to(runs.resolve())) for run in matching)
        raise EvidenceError(f"{which!r} names several runs: {names}", hint="write more of the name")
    newest = f"; the newest is {known[-1].run_id}" if known else ""
    raise EvidenceError(f"no run {which!r} in {runs}{newest}", hint=_LIST_HINT)
