"""The seats of each phase: who wanted them, who holds a receipt, which are sold twice.

Part of the model. Every phase has a hall of its own: no two phases share a seat.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

WANTED, SOLD, TWICE = 0, 1, 2
"""What a seat looks like: wanted by somebody, one buyer holds it, two or more do."""

DECIDED = ("confirmed", "held", "rejected", "cancelled", "expired")
"""Answers that decide something; all else is a failed request."""

Row = Mapping[str, Any]


@dataclass
class Seat:
    """`receipts`: attempts that got one, as in evidence."""

    wanted: int = 0
    receipts: list[Row] = field(default_factory=list)

    @property
    def state(self) -> int:
        holders = {row["buyer"] for row in self.receipts}
        return TWICE if len(holders) > 1 else (SOLD if holders else WANTED)


@dataclass
class Hall:
    """One phase's seats and counters."""

    name: str
    ntp: str = ""
    planned_ms: float = 0.0
    begun_ms: float | None = None
    measuring_ms: float | None = None
    ended_ms: float | None = None
    attempts: int = 0
    receipts: int = 0
    failed: int = 0
    twice: int = 0
    seats: dict[str, Seat] = field(default_factory=dict)

    def take(self, row: Row) -> tuple[str, int]:
        """Count one attempt; its seat and what that looks like now."""
        self.attempts += 1
        seat = self.seats.setdefault(str(row["seat"]), Seat())
        before = seat.state
        seat.wanted += 1
        final = row.get("confirm_outcome") or row.get("outcome")
        if final not in DECIDED:
            self.failed += 1
        if final == "confirmed" and row.get("receipt_id") is not None:
            self.receipts += 1
            seat.receipts.append(row)
        self.twice += seat.state == TWICE and before != TWICE
        return str(row["seat"]), seat.state

    def own(self, seat: str, receipts: list[Row]) -> int:
        """A ticket of the train system has these owners now; what it looks like."""
        found = self.seats.setdefault(seat, Seat())
        before = found.state
        found.wanted += 1
        found.receipts = receipts
        self.twice += found.state == TWICE and before != TWICE
        return found.state

    def plain(self) -> dict[str, Any]:
        """Everything but the seats, for the page."""
        return {
            "name": self.name,
            "ntp": self.ntp,
            "planned_ms": self.planned_ms,
            "begun": self.begun_ms,
            "measuring": self.measuring_ms,
            "ended": self.ended_ms,
            "attempts": self.attempts,
            "receipts": self.receipts,
            "failed": self.failed,
            "twice": self.twice,
            "seats": len(self.seats),
        }
