"""An attempt while it happens, and as the JSON document that becomes evidence.

Last stage of the buyers. All times are lab time in ns; null where it never came to that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from .arrivals import Arrival

Outcome = Literal["confirmed", "held", "rejected", "failed"]

INTERRUPTED = "interrupted"


@dataclass
class Confirm:
    """The second step of a policy that holds first. Until it is answered it has failed."""

    due_ns: int
    sent_ns: int | None = None
    answered_ns: int | None = None
    http_status: int | None = None
    outcome: Outcome = "failed"


@dataclass
class Attempt:
    """One arrival that was sent. Until it is answered it counts as failed by interruption."""

    arrival: Arrival
    due_ns: int
    sent_ns: int
    answered_ns: int | None = None
    http_status: int | None = None
    outcome: Outcome = "failed"
    receipt_id: str | None = None
    claim_id: str | None = None
    stamp_ns: int | None = None
    problem: str | None = INTERRUPTED
    confirm: Confirm | None = None


def attempt_document(phase: str, attempt: Attempt) -> Mapping[str, Any]:
    """The line that records `attempt`: everything that was asked and all it was answered."""
    arrival = attempt.arrival
    return {
        "t": "attempt",
        "attempt_id": arrival.attempt_id,
        "phase": phase,
        "pattern": arrival.pattern,
        "race": arrival.race,
        "buyer": arrival.buyer,
        "seat": arrival.seat,
        "server": arrival.server,
        "due_ns": attempt.due_ns,
        "sent_ns": attempt.sent_ns,
        "answered_ns": attempt.answered_ns,
        "http_status": attempt.http_status,
        "outcome": attempt.outcome,
        "receipt_id": attempt.receipt_id,
        "claim_id": attempt.claim_id,
        "stamp_ns": attempt.stamp_ns,
        "problem": attempt.problem,
        "confirm_delay_ns": arrival.confirm_delay_ns,
        "confirm": None if attempt.confirm is None else asdict(attempt.confirm),
    }
