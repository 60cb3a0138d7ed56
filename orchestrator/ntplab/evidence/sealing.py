"""From spool to Parquet, when a run has ended. Bounded memory; repeatable after a kill."""

from __future__ import annotations

import pyarrow.parquet as pq

from .files import publish, removed_on_failure, writing
from .reader import Evidence
from .rundir import RunDirectory
from .schema import TABLES, TRAIN_TABLES

ROW_GROUP_ROWS = 65_536


def seal(run: RunDirectory) -> dict[str, int]:
    """Turn every spooled table into `evidence/<table>.parquet`; returns rows per table.

    The spool file is removed only after its Parquet file is in place, so a kill in between
    loses nothing: sealing again finishes the job. Tables without a single row get an empty
    file, so that "nothing happened" differs from "nothing was recorded". Checksums come
    later (`write_checksums`), after results.json.
    """
    evidence = Evidence(run)
    tables = [table for table in TABLES if table not in TRAIN_TABLES or evidence.has(table)]
    return {table: _seal_table(run, evidence, table) for table in tables}


def _seal_table(run: RunDirectory, evidence: Evidence, table: str) -> int:
    spool = run.evidence / f"{table}.jsonl"
    target = run.evidence / f"{table}.parquet"
    if target.exists():
        # Sealed before; a spool beside it is what a kill kept from being removed.
        spool.unlink(missing_ok=True)
        return int(pq.read_metadata(target).num_rows)
    temporary = target.with_name(f".{target.name}.tmp")
    rows = 0
    with writing(target), removed_on_failure(temporary):
        with pq.ParquetWriter(temporary, TABLES[table], compression="zstd") as writer:
            for batch in evidence.batches(table, rows=ROW_GROUP_ROWS):
                writer.write_batch(batch)
                rows += batch.num_rows
        publish(temporary, target)
    spool.unlink(missing_ok=True)
    return rows
