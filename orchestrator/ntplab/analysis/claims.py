"""One claim on a seat as buyer and server recorded it, side by side. What explanations take."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import pyarrow as pa

from ..evidence import Evidence
from .attempts import HOLDS, of_phase
from .clocks import quantile

Row = Mapping[str, Any]
Rows = Iterable[Row]

LAGS = 20
"""how many delays stand for the distribution of all"""


@dataclass(frozen=True, slots=True)
class Claim:
    """Times in lab time, except `stamp_ns` and `claimed_wall_ns`, the server's wall clock, and
    `hold_*_ns` and `judged_ns`, the clock that the policy judges leases by.

    What only the server knows is None when it left no record of the claim. `received_ns`:
    when each server's database learned of the claim (timestamp-order).
    """

    attempt_id: str
    seat: str
    buyer: str
    server: str
    holds_receipt: bool
    receipt_id: str | None
    claim_id: str | None
    sent_ns: int
    confirm_sent_ns: int | None = None
    stamp_ns: int | None = None
    claimed_ns: int | None = None
    decided_ns: int | None = None
    hold_granted_ns: int | None = None
    hold_expires_ns: int | None = None
    ttl_ns: int | None = None
    received_ns: Mapping[str, int] = field(default_factory=dict)
    confirm_delay_ns: int | None = None
    """how long after coming the buyer means to confirm a hold"""
    logical: int = 0
    """second half of a hybrid logical stamp"""
    claimed_wall_ns: int | None = None
    """the wall clock, where the stamp is another"""
    bound_ns: int | None = None
    """what the server promised its clock's error not to exceed"""
    peers_bound_ns: int | None = None
    judged_ns: int | None = None
    """at the decision"""
    answered_ns: int | None = None
    """when the buyer had the answer to the claim, and below to the confirmation"""
    confirm_answered_ns: int | None = None

    @property
    def wall_ns(self) -> int | None:
        """What the server's wall clock showed when the claim was made."""
        return self.stamp_ns if self.claimed_wall_ns is None else self.claimed_wall_ns

    @property
    def time_ns(self) -> int:
        """When it was made, in truth: by the server's record, else when the buyer sent it."""
        return self.sent_ns if self.claimed_ns is None else self.claimed_ns


@dataclass(frozen=True)
class Records:
    """The servers' records of one phase, counted."""

    reservations: int
    holders: frozenset[str]
    """the servers whose own list of claims is in evidence"""
    lag_median_ns: int | None
    """the median delay from a claim to a peer's knowing of it; None without replication"""
    lags_ns: tuple[int, ...] = ()
    """the delays in the middle of `LAGS` equal shares of all; empty without replication"""


def count_records(evidence: Evidence, phase: str) -> Records:
    """Count the claims and reservations of one phase from every database."""
    with evidence.reading("reservations"):
        own = of_phase(evidence.scan("reservations"), phase).select(pl.len())
        reservations = int(own.collect(engine="streaming").item())
    with evidence.reading("claims"):
        claims = of_phase(evidence.scan("claims"), phase)
        holders = claims.select(pl.col("holder_server").unique()).collect(engine="streaming")
        crossed = claims.filter(pl.col("origin") != pl.col("holder_server"))
        lag = (pl.col("received_lab_ns") - pl.col("claimed_lab_ns")).drop_nulls()
        lags = crossed.select(lag).collect(engine="streaming").to_series()
    known = frozenset(holders.to_series().drop_nulls().to_list())
    return Records(reservations, known, quantile(lags.to_arrow(), 0.5), shares(lags.to_arrow()))


def shares(lags_ns: pa.Array) -> tuple[int, ...]:
    """The values in the middle of `LAGS` equal shares; empty of nothing."""
    found = (quantile(lags_ns, (index + 0.5) / LAGS) for index in range(LAGS))
    return tuple(lag_ns for lag_ns in found if lag_ns is not None)


def claims_by_seat(
    evidence: Evidence, phase: str, seats: Sequence[str], receipts_only: bool = False
) -> dict[str, list[Claim]]:
    """The claims on each of `seats`, in the order they were truly made.

    `receipts_only`: those alone whose buyers hold a receipt. A server's record belongs to an
    attempt when claim, server and seat agree. Everything asked for is in memory: ask for some
    thousands of seats at a time.
    """
    wanted = pl.Series(seats, dtype=pl.String)
    on_seats = pl.col("seat").is_in(wanted.implode())
    attempts = _rows(evidence, "attempts", phase, on_seats & HOLDS if receipts_only else on_seats)
    if receipts_only:
        named = pl.Series([row["claim_id"] for row in attempts], dtype=pl.String)
        on_seats &= pl.col("claim_id").is_in(named.implode())
    reservations = _rows(evidence, "reservations", phase, on_seats)
    return side_by_side(attempts, reservations, _rows(evidence, "claims", phase, on_seats))


def side_by_side(attempts: Rows, reservations: Rows, claims: Rows) -> dict[str, list[Claim]]:
    """The claims by seat, in the order they were truly made, from rows of these tables.

    Rows of attempts say in `holds` whether the buyer holds a receipt that was not withdrawn.
    """
    decided = {(row["claim_id"], row["server"], row["seat"]): row for row in reservations}
    received: dict[str, dict[str, int]] = {}
    for row in claims:
        received.setdefault(row["claim_id"], {})[row["holder_server"]] = row["received_lab_ns"]
    by_seat: dict[str, list[Claim]] = {}
    for row in attempts:
        record = decided.get((row["claim_id"], row["server"], row["seat"]), {})
        claim = claim_of(row, record, received.get(row["claim_id"], {}), row["holds"])
        by_seat.setdefault(claim.seat, []).append(claim)
    for of_seat in by_seat.values():
        of_seat.sort(key=lambda claim: (claim.time_ns, claim.attempt_id))
    return dict(sorted(by_seat.items()))


def _rows(evidence: Evidence, table: str, phase: str, wanted: pl.Expr) -> list[dict[str, Any]]:
    with evidence.reading(table):
        rows = of_phase(evidence.scan(table), phase).filter(wanted)
        if table == "attempts":
            rows = rows.with_columns(holds=HOLDS)
        return rows.collect(engine="streaming").to_dicts()


def claim_of(attempt: Row, record: Row, received: Mapping[str, int], holds: bool) -> Claim:
    """A row of attempts, the server's record of it (empty if there is none) and when the servers
    learned of it, as one; `holds`: whether the buyer ended up with a receipt."""
    stamp_ns = record.get("stamp_ns")
    return Claim(
        attempt_id=attempt["attempt_id"],
        seat=attempt["seat"],
        buyer=attempt["buyer"],
        server=attempt["server"],
        holds_receipt=holds,
        receipt_id=attempt["receipt_id"],
        claim_id=attempt["claim_id"],
        sent_ns=attempt["sent_ns"],
        confirm_sent_ns=attempt["confirm_sent_ns"],
        stamp_ns=attempt["stamp_ns"] if stamp_ns is None else stamp_ns,
        claimed_ns=record.get("claimed_lab_ns"),
        decided_ns=record.get("decided_lab_ns"),
        hold_granted_ns=record.get("hold_granted_ns"),
        hold_expires_ns=record.get("hold_expires_ns"),
        ttl_ns=record.get("ttl_ns"),
        received_ns=received,
        confirm_delay_ns=attempt["confirm_delay_ns"],
        logical=record.get("logical") or 0,
        claimed_wall_ns=record.get("claimed_wall_ns"),
        bound_ns=record.get("bound_ns"),
        peers_bound_ns=record.get("peers_bound_ns"),
        judged_ns=record.get("judged_ns"),
        answered_ns=attempt["answered_ns"],
        confirm_answered_ns=attempt["confirm_answered_ns"],
    )
