"""What is done to a lab by hand, recorded as a run of its own: one directory, one policy.

It has phases like any run, made as one goes: `analyze`, `verify` and replay take it as it is.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..collect.databases import RawClocks, collect_records
from ..events import Event, RunEnded, RunStarted
from ..evidence import Manifest, ManifestPhase, RunDirectory, SpoolWriter
from ..lab import Lab
from ..plan import PhasePlan
from ..provenance import manifest, raw_offsets_ns
from ..run import judge, write_rendered

Feed = Callable[[str, Iterable[Mapping[str, Any]]], None]


class Recording:
    """Evidence of one stretch of work on `lab`; all of it is shown to `feed` too."""

    def __init__(self, lab: Lab, runs: Path, feed: Feed, namespaces: Mapping[str, str]) -> None:
        self._lab, self._feed = lab, feed
        self._open, self._writing = True, threading.Lock()
        self.directory = RunDirectory.create(runs, lab.plan.name, datetime.now(UTC))
        self._spool = SpoolWriter(self.directory)
        self.manifest: Manifest = manifest(lab, self.directory.run_id, {}, namespaces).model_copy(
            update={"phases": []}
        )
        self.clocks = RawClocks(lab.handle.clock.anchor_ns, raw_offsets_ns(self.manifest))
        plan = json.dumps(lab.plan.to_json(), indent=2) + "\n"
        self.directory.write_text("plan.json", plan)
        write_rendered(lab.plan, self.directory)
        self.directory.write_manifest(self.manifest)
        started = RunStarted(lab.now_ns(), lab.plan.name, lab.name, str(self.directory.path))
        self.emit(started)

    def append(self, table: str, rows: Iterable[Mapping[str, Any]]) -> None:
        """What comes after the end is no longer part of it, and not shown either."""
        kept = list(rows)
        with self._writing:
            if not self._open:
                return
            self._spool.append(table, kept)
        self._feed(table, [_flat(row) for row in kept])

    def emit(self, event: Event) -> None:
        record = event.record()
        self.directory.append_event(record)
        self._feed("events", [record])

    def add_phase(self, phase: PhasePlan, steered: Iterable[str]) -> None:
        """`phase` begins: from now on it is part of what is judged."""
        plain = ManifestPhase.model_validate(
            {"name": phase.name, "ntp": "keep", "duration_ns": phase.duration_ns,
             "steered": list(steered)}
        )  # fmt: skip
        self.manifest.phases.append(plain)
        self.directory.write_manifest(self.manifest)

    def collect(self, phase: str) -> None:
        """The servers' own records of a phase whose load has ended."""
        collect_records(self._lab.driver, self._lab.name, phase, self.clocks, self._spool.append)

    def close(self) -> None:
        """Seal it and judge it, as at the end of any run."""
        self.emit(RunEnded(self._lab.now_ns()))
        with self._writing:
            self._open = False
            self._spool.close()
        judge(self.directory)


def _flat(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """A buyer's document with `confirm` as evidence has it."""
    confirm = row.get("confirm")
    if not isinstance(confirm, Mapping):
        return row
    return {**row, **{f"confirm_{key}": value for key, value in confirm.items()}}
