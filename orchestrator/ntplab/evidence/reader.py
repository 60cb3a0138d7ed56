"""Reading a run's evidence, whether it was sealed or cut short. What analysis stands on."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from ..errors import EvidenceError
from .manifest import Manifest
from .rundir import EVENTS, RunDirectory
from .schema import ADDED, TABLES, TRAIN_TABLES

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

    `scan` is for tables of any size: nothing is read before it is asked for. What it needs
    for that is kept in a temporary folder until `close` (or the end of a `with` block).
    """

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self.torn: set[str] = set()
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    def __enter__(self) -> Evidence:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary folder, if there is one."""
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    @property
    def scratch(self) -> Path:
        """A folder for intermediate files, outside the run: judging writes nothing into it."""
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="ntplab-analysis-")
        return Path(self._scratch.name)

    @property
    def missing(self) -> list[str]:
        return [table for table in TABLES if table not in TRAIN_TABLES and not self.has(table)]

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

    def scan(self, table: str) -> pl.LazyFrame:
        """A table to query in any size; empty when missing. Collect it inside `reading`.

        A spool becomes a Parquet file first, batch by batch, in the temporary folder.
        """
        parquet, spool = self._paths(table)
        if not parquet.exists():
            if not spool.exists():
                return pl.from_arrow(TABLES[table].empty_table()).lazy()  # type: ignore[union-attr]
            parquet = self.scratch / parquet.name
            if not parquet.exists():
                with self.reading(table):
                    self._convert(table, parquet)
        absent = self._check_schema(parquet, table)
        nothing = pl.from_arrow(TABLES[table].empty_table()).schema  # type: ignore[union-attr]
        return pl.scan_parquet(parquet).with_columns(
            pl.lit(None, nothing[name]).alias(name) for name in absent
        )

    @contextmanager
    def reading(self, table: str) -> Iterator[None]:
        """Whatever goes wrong inside was damage to that table's file: EvidenceError."""
        parquet, spool = self._paths(table)
        path = parquet if parquet.exists() else spool
        try:
            yield
        except EvidenceError:
            raise
        except pl.exceptions.PanicException as error:
            raise EvidenceError(
                f"{path}: cannot be read as Parquet: {_first_line(error)}"
            ) from None
        except (pl.exceptions.PolarsError, pa.ArrowException, OSError) as error:
            raise EvidenceError(f"{path}: cannot be read: {_first_line(error)}") from error

    def _convert(self, table: str, target: Path) -> None:
        with pq.ParquetWriter(target, TABLES[table], compression="lz4") as writer:
            for batch in self.batches(table):
                writer.write_batch(batch)

    def _check_schema(self, path: Path, table: str) -> list[str]:
        """The columns that older evidence lacks."""
        try:
            schema = pq.read_schema(path)
        except (pa.ArrowException, OSError, ValueError) as error:
            raise EvidenceError(
                f"{path}: cannot be read as Parquet: {_first_line(error)}"
            ) from error
        absent = [name for name in TABLES[table].names if name not in schema.names]
        if not ADDED.issuperset(absent) or any(
            schema.field(column.name) != column
            for column in TABLES[table]
            if column.name not in absent
        ):
            raise EvidenceError(f"{path}: damaged: its columns are not those expected")
        return absent

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
                    batch = _in_full(batch, schema).select(schema.names)
                    batch.validate(full=True)
                    if not batch.schema.equals(schema):
                        raise EvidenceError(f"{path}: damaged: its columns are not those expected")
                    yield batch
        except (pa.ArrowException, OSError, ValueError) as error:
            raise EvidenceError(
                f"{path}: cannot be read as Parquet: {_first_line(error)}"
            ) from error

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


def _first_line(error: BaseException) -> str:
    return str(error).partition("\n")[0]


def _schema(table: str, columns: Sequence[str] | None) -> pa.Schema:
    """The schema of a table, or of some of its columns in the order asked for."""
    whole = TABLES[table]
    return whole if columns is None else pa.schema([whole.field(name) for name in columns])


def _in_full(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """The batch with the columns that older evidence lacks, null."""
    for column in schema:
        if column.name in ADDED and column.name not in batch.schema.names:
            batch = batch.append_column(column, pa.nulls(batch.num_rows, column.type))
    return batch


def _batch(
    path: Path, rows: list[dict[str, Any]], table: str, columns: Sequence[str] | None
) -> pa.RecordBatch:
    try:
        batch = pa.RecordBatch.from_pylist(rows, schema=TABLES[table])
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise EvidenceError(f"{path}: damaged: {error}") from error
    return batch.select(columns) if columns is not None else batch
