"""One claim on a seat as buyer and server recorded it, side by side. What explanations take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from ..evidence import Evidence
from .attempts import Attempts, of_phase
from .clocks import quantile


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
    """The servers' records of one phase, whole; tables as in evidence.TABLES."""

    claims: pa.Table
    reservations: pa.Table

    @property
    def holders(self) -> frozenset[str]:
        """The servers whose own list of claims is in evidence."""
        return frozenset(pc.unique(self.claims["holder_server"]).drop_null().to_pylist())

    def lag_median_ns(self) -> int | None:
        """The median delay from a claim to a peer's knowing of it; None without replication."""
        return quantile(self._lags(), 0.5)

    def lag_quantiles_ns(self, count: int) -> list[int]:
        """The delays in the middle of `count` equal shares of all; empty without replication."""
        lags = self._lags()
        found = [quantile(lags, (index + 0.5) / count) for index in range(count)]
        return [lag_ns for lag_ns in found if lag_ns is not None]

    def _lags(self) -> pa.Array:
        table = self.claims
        crossed = table.filter(pc.not_equal(table["origin"], table["holder_server"]))
        return pc.subtract(crossed["received_lab_ns"], crossed["claimed_lab_ns"])


def load_records(evidence: Evidence, phase: str) -> Records:
    """The claims and reservations of one phase from every database."""
    tables = (
        evidence.table(name, keep=lambda batch: of_phase(batch, phase))
        for name in ("claims", "reservations")
    )
    return Records(*tables)


def claims_by_seat(attempts: Attempts, records: Records, seats: pa.Array) -> dict[str, list[Claim]]:
    """The claims on each of `seats`, in the order they were truly made."""
    decided = {
        (row["claim_id"], row["server"]): row for row in _on_seats(records.reservations, seats)
    }
    received: dict[str, dict[str, int]] = {}
    for row in _on_seats(records.claims, seats):
        received.setdefault(row["claim_id"], {})[row["holder_server"]] = row["received_lab_ns"]
    by_seat: dict[str, list[Claim]] = {}
    for row in _on_seats(attempts.table, seats):
        record = decided.get((row["claim_id"], row["server"]), {})
        claim = _claim(row, record, received.get(row["claim_id"], {}))
        by_seat.setdefault(claim.seat, []).append(claim)
    for claims in by_seat.values():
        claims.sort(key=lambda claim: (claim.time_ns, claim.attempt_id))
    return dict(sorted(by_seat.items()))


def _claim(attempt: dict[str, Any], record: dict[str, Any], received: Mapping[str, int]) -> Claim:
    stamp_ns = record.get("stamp_ns")
    return Claim(
        attempt_id=attempt["attempt_id"],
        seat=attempt["seat"],
        buyer=attempt["buyer"],
        server=attempt["server"],
        holds_receipt=attempt["holds"],
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
    )


def _on_seats(table: pa.Table, seats: pa.Array) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = table.filter(pc.is_in(table["seat"], value_set=seats)).to_pylist()
    return rows
