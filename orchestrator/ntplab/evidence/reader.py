"""Reading a run's evidence, whether it was sealed or cut short. What analysis stands on."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import EvidenceError
from .manifest import Manifest
from .rundir import EVENTS, RunDirectory
from .schema import TABLES

BATCH_ROWS = 65_536


@dataclass(frozen=True)
class Event:
    """One line of events.jsonl. `fields` holds everything beyond time and name."""

    lab_ns: int
    name: str
    fields: dict[str, Any] = field(default_factory=dict)

    @property
    def node(self) -> str | None:
        return self.fields.get("node")

    @property
    def phase(self) -> str | None:
        return self.fields.get("phase")


class Evidence:
    """The tables, events and manifest of one run.

    `torn` names each file whose last line was cut by a kill (the line is skipped, the rest
    is used); `missing` names each table without a file. Damage anywhere else raises
    EvidenceError with file and line.
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.torn: set[str] = set()

    @property
    def missing(self) -> list[str]:
        return [table for table in TABLES if not self.has(table)]

    def has(self, table: str) -> bool:
        return any(path.exists() for path in self._paths(table))

    def manifest(self) -> Manifest:
        return self.run.read_manifest()

    def events(self) -> list[Event]:
        """Every event, in the order written; empty when the file is missing."""
        path = self.run.path / EVENTS
        return [self._event(path, line) for line in self._lines(path)] if path.exists() else []

    def batches(
        self, table: str, columns: Sequence[str] | None = None, rows: int = BATCH_ROWS
    ) -> Iterator[pa.RecordBatch]:
        """A table in batches of at most `rows`, in the order recorded; nothing when missing."""
        parquet, spool = self._paths(table)
        if parquet.exists():
            yield from self._parquet(parquet, columns, rows)
        elif spool.exists():
            yield from self._spooled(spool, table, columns, rows)

    def table(
        self,
        name: str,
        columns: Sequence[str] | None = None,
        keep: Callable[[pa.RecordBatch], pa.RecordBatch] | None = None,
    ) -> pa.Table:
        """A table in memory; `keep` thins out each batch first."""
        batches = (keep(b) if keep else b for b in self.batches(name, columns))
        return pa.Table.from_batches(batches, schema=_schema(name, columns))

    def _paths(self, table: str) -> tuple[Path, Path]:
        return self.run.evidence / f"{table}.parquet", self.run.evidence / f"{table}.jsonl"

    def _parquet(
        self, path: Path, columns: Sequence[str] | None, rows: int
    ) -> Iterator[pa.RecordBatch]:
        schema = _schema(path.stem, columns)
        try:
            with pq.ParquetFile(path) as file:
                for batch in file.iter_batches(batch_size=rows, columns=schema.names):
                    batch = batch.select(schema.names)
                    batch.validate(full=True)
                    if not batch.schema.equals(schema):
                        raise EvidenceError(f"{path}: damaged: its columns are not those expected")
                    yield batch
        except (pa.ArrowException, OSError, ValueError, KeyError) as error:
            first_line = str(error).partition("\n")[0]
            raise EvidenceError(f"{path}: cannot be read as Parquet: {first_line}") from error

    def _spooled(
        self, path: Path, table: str, columns: Sequence[str] | None, rows: int
    ) -> Iterator[pa.RecordBatch]:
        chunk: list[dict[str, Any]] = []
        for row in self._lines(path):
            chunk.append(row)
            if len(chunk) == rows:
                yield _batch(path, chunk, table, columns)
                chunk = []
        if chunk:
            yield _batch(path, chunk, table, columns)

    def _lines(self, path: Path) -> Iterator[dict[str, Any]]:
        """The documents of a JSON Lines file. Only a last line without an end may be torn."""
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    self.torn.add(path.relative_to(self.run.path).as_posix())
                    return
                try:
                    document = json.loads(line)
                except ValueError as error:
                    raise EvidenceError(f"{path}:{number}: damaged: {error}") from error
                if not isinstance(document, dict):
                    raise EvidenceError(f"{path}:{number}: damaged: not a JSON object")
                yield document

    def _event(self, path: Path, document: dict[str, Any]) -> Event:
        fields = dict(document)
        try:
            return Event(int(fields.pop("lab_ns")), str(fields.pop("event")), fields)
        except (KeyError, TypeError, ValueError) as error:
            raise EvidenceError(f"{path}: damaged: an event without time or name") from error


def _schema(table: str, columns: Sequence[str] | None) -> pa.Schema:
    """The schema of a table, or of some of its columns in the order asked for."""
    whole = TABLES[table]
    return whole if columns is None else pa.schema([whole.field(name) for name in columns])


def _batch(
    path: Path, rows: list[dict[str, Any]], table: str, columns: Sequence[str] | None
) -> pa.RecordBatch:
    try:
        batch = pa.RecordBatch.from_pylist(rows, schema=TABLES[table])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise EvidenceError(f"{path}: damaged: {error}") from error
    return batch.select(columns) if columns is not None else batch
