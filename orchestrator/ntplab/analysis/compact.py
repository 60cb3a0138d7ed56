"""Attempts and records of one phase as columns of numbers, in parts that fit into memory.

Names become 64-bit hashes: two different ones out of ten million share one with a chance of
3e-6, and no receipt is judged by its hash alone: whatever is reported is read again by name.
All rows of a seat fall into one part (`seat` modulo the number of parts), so that parts are
judged one by one. A phase larger than `PART_ROWS` waits in a temporary file; a smaller one
is one part, in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import reduce
from operator import xor

import polars as pl

from ..evidence import Evidence
from .attempts import HOLDS, of_phase

PART_ROWS = 1_000_000
"""Rows of one table judged at a time: some 300 MB with all that is made of them."""

RECEIPT = ("receipt_id", "seat", "buyer", "server")
_RECORD = ("claim_id", "server", "seat")


@dataclass(frozen=True)
class Part:
    """Some seats of a phase, with all that was recorded of them.

    attempts: seat, buyer, server, record, receipt (null unless the buyer holds one), sent_ns,
    confirm_sent_ns, stamp_ns.
    reservations: record, receipt (null unless confirmed), recorded_stamp_ns,
    claimed_wall_ns (null where the stamp is the wall clock), logical, claimed_ns, granted, ttl_ns.
    """

    attempts: pl.DataFrame
    reservations: pl.DataFrame


def hash_of(name: str) -> pl.Expr:
    """The 64-bit hash of a column of text; null stays null."""
    return pl.when(pl.col(name).is_not_null()).then(pl.col(name).hash(0))


def receipt_hash() -> pl.Expr:
    """What a receipt says, in 64 bits: equal on both sides when buyer and server agree."""
    return _together([pl.col(name).fill_null("-") for name in RECEIPT])


def codes_of(names: Sequence[str]) -> dict[str, int]:
    """The numbers that stand for server names in a part."""
    return dict(zip(names, pl.Series(names, dtype=pl.String).hash(0).to_list(), strict=True))


@contextmanager
def compacted(evidence: Evidence, phase: str, rows: int) -> Iterator[Iterator[Part]]:
    """The parts of a phase of at most `rows` attempts or reservations."""
    count = 1 + rows // PART_ROWS
    attempts = _kept(evidence, "attempts", phase, _attempt_columns(), count > 1)
    reservations = _kept(evidence, "reservations", phase, _record_columns(), count > 1)
    try:
        yield (_part(attempts, reservations, number, count) for number in range(count))
    finally:
        for table in ("attempts", "reservations"):
            (evidence.scratch / f"{table}.compact").unlink(missing_ok=True)


def part_of(table: pl.LazyFrame, number: int, count: int) -> pl.DataFrame:
    """The rows of one part."""
    own = table if count == 1 else table.filter(pl.col("seat").fill_null(0) % count == number)
    return own.collect()


def _part(attempts: pl.LazyFrame, reservations: pl.LazyFrame, number: int, count: int) -> Part:
    return Part(part_of(attempts, number, count), part_of(reservations, number, count))


def _kept(
    evidence: Evidence, table: str, phase: str, columns: dict[str, pl.Expr], spill: bool
) -> pl.LazyFrame:
    with evidence.reading(table):
        compact = of_phase(evidence.scan(table), phase).select(**columns)
        if not spill:
            return compact.collect(engine="streaming").lazy()
        path = evidence.scratch / f"{table}.compact"
        compact.sink_ipc(path, compression="uncompressed")
    return pl.scan_ipc(path)


def _attempt_columns() -> dict[str, pl.Expr]:
    return {
        "seat": hash_of("seat"),
        "buyer": hash_of("buyer"),
        "server": hash_of("server"),
        "record": _record_hash(),
        "receipt": pl.when(HOLDS).then(receipt_hash()),
        "sent_ns": pl.col("sent_ns"),
        "confirm_sent_ns": pl.col("confirm_sent_ns"),
        "stamp_ns": pl.col("stamp_ns"),
    }


def _record_columns() -> dict[str, pl.Expr]:
    return {
        "seat": hash_of("seat"),
        "record": _record_hash(),
        "receipt": pl.when(pl.col("decision") == "confirmed").then(receipt_hash()),
        "recorded_stamp_ns": pl.col("stamp_ns"),
        "claimed_wall_ns": pl.col("claimed_wall_ns"),
        "logical": pl.col("logical"),
        "claimed_ns": pl.col("claimed_lab_ns"),
        "granted": pl.col("hold_granted_ns").is_not_null(),
        "ttl_ns": pl.col("ttl_ns"),
    }


def _record_hash() -> pl.Expr:
    """What ties an attempt to its server's record; null without a claim."""
    return pl.when(pl.col("claim_id").is_not_null()).then(
        _together([pl.col(name) for name in _RECORD])
    )


def _together(columns: Sequence[pl.Expr]) -> pl.Expr:
    return reduce(xor, (column.hash(seed) for seed, column in enumerate(columns, 1)))
