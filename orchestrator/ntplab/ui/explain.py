"""One seat: both receipts, and why both buyers were told yes.

Judged by `analysis`, as at the end of a run. While a phase goes on, the servers' records of just
this seat are asked of the database; afterwards they are in evidence.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import polars as pl

from ..analysis.bookings import double_bookings
from ..analysis.claims import side_by_side
from ..analysis.clocks import load_clocks
from ..analysis.explain import model_of
from ..analysis.surroundings import world_of
from ..analysis.train import TrainEvidence, double_sales, load_train
from ..collect.databases import TABLES as VIEWS
from ..collect.databases import RawClocks, collect_seat
from ..driver.base import Driver
from ..evidence import Evidence, Manifest, RunDirectory
from ..evidence.schema import to_row
from .model import ticket_name

Row = Mapping[str, Any]
NS_PER_MS = 1e6


def about_seat(
    run: RunDirectory, phase: str, seat: str, receipts: Sequence[Row], asked: Mapping[str, Any]
) -> dict[str, Any]:
    """Receipts and explanation of one seat, as plain data for the page.

    `asked`: rows of claims and reservations that are not in evidence yet, by table.
    """
    answer: dict[str, Any] = {"phase": phase, "seat": seat, "receipts": list(map(_told, receipts))}
    if len({row["buyer"] for row in receipts}) > 1:
        with Evidence(run) as evidence:
            if train := load_train(evidence, evidence.manifest()):
                return answer | _ticket(train, seat)
            records = {name: _rows(evidence, name, phase, seat, asked) for name in VIEWS}
            answer |= _explained(evidence, receipts, records)
    return answer


def ask_database(
    driver: Driver, lab: str, phase: str, seat: str, clocks: RawClocks
) -> dict[str, list[Row]]:
    """The servers' records of one seat, from their databases, while a phase goes on."""
    found: dict[str, list[Row]] = {name: [] for name in VIEWS}

    def keep(table: str, rows: Iterable[Row]) -> None:
        found[table] += rows

    collect_seat(driver, lab, phase, seat, clocks, keep)
    return found


def _rows(
    evidence: Evidence, name: str, phase: str, seat: str, asked: Mapping[str, Any]
) -> Sequence[Row]:
    if asked.get(name):
        return [to_row(name, row) for row in asked[name]]
    here = (pl.col("phase") == phase) & (pl.col("seat") == seat)
    with evidence.reading(name):
        return evidence.scan(name).filter(here).collect().to_dicts()


def _explained(
    evidence: Evidence, receipts: Sequence[Row], records: Mapping[str, Sequence[Row]]
) -> dict[str, Any]:
    manifest: Manifest = evidence.manifest()
    attempts = [to_row("attempts", row) | {"holds": True} for row in receipts]
    by_seat = side_by_side(attempts, records["reservations"], records["claims"])
    holders = frozenset(row["holder_server"] for row in records["claims"])
    world = world_of(manifest, load_clocks(evidence), holders, True)
    found = double_bookings(by_seat, model_of(manifest.policy), world)
    if not found:
        return {}
    double = found[0]
    pair = next((pair for pair in double.pairs if pair.words == double.words), double.pairs[0])
    return {
        "status": double.status,
        "cause": double.cause,
        "words": double.words,
        "reason": double.reason,
        "inequality": pair.inequality,
        "numbers_ns": pair.numbers_ns,
        "pair": [_claim(pair.first), _claim(pair.second)],
        "policy": manifest.policy,
    }


def _ticket(train: TrainEvidence, seat: str) -> dict[str, Any]:
    """Why two clients own one ticket of the train system."""
    found = next((s for s in double_sales(train) if ticket_name(s.ticket) == seat), None)
    if found is None:
        return {}
    return {
        "status": found.status,
        "cause": found.cause,
        "words": found.words,
        "reason": found.reason,
        "inequality": found.inequality,
        "numbers_ns": found.numbers_ns,
        "policy": train.rules.protocol,
    }


def _told(row: Row) -> dict[str, Any]:
    """What a buyer was told, times in ms."""
    return {
        "buyer": row["buyer"],
        "server": row["server"],
        "receipt": row["receipt_id"],
        "stamp": _ms(row.get("stamp_ns")),
        "sent": _ms(row.get("sent_ns")),
    }


def _claim(claim: Any) -> dict[str, Any]:
    return {
        "buyer": claim.buyer,
        "server": claim.server,
        "receipt": claim.receipt_id,
        "stamp": _ms(claim.stamp_ns),
        "claimed": _ms(claim.claimed_lab_ns),
        "decided": _ms(claim.decided_lab_ns),
        "divergence_ns": claim.divergence_ns,
    }


def _ms(ns: int | None) -> float | None:
    return None if ns is None else ns / NS_PER_MS
