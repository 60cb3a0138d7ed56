"""Turns records into HTTP answers. The one place where a decision becomes a status code."""

from __future__ import annotations

from typing import Any

import orjson
from starlette.responses import Response

from booking.clocks import iso
from booking.policy import Decision, Record
from booking.problems import ProblemError

_REFUSALS: dict[Decision, tuple[str, str]] = {
    "rejected": ("seat-taken", "Seat {seat} went to another claim."),
    "expired": (
        "hold-expired",
        "The hold on seat {seat} was over by the clock {server} goes by.",
    ),
    "cancelled": ("hold-cancelled", "The hold on seat {seat} was given back."),
    "confirmed": ("already-confirmed", "Seat {seat} is confirmed."),
}


def members(record: Record, decision: Decision) -> dict[str, Any]:
    """The members of an answer (models.Answer) for a claim with `decision`."""
    claim, verdict = record.claim, record.verdict
    assert verdict is not None  # a policy answers with decided claims only
    hold = verdict.hold if decision == "held" else None
    return {
        "server": claim.origin,
        "seat": claim.seat,
        "buyer": claim.buyer,
        "policy": record.policy,
        "claim_id": claim.claim_id,
        "stamp_ns": claim.stamp_ns,
        "stamp": iso(claim.stamp_ns),
        "raw_ns": claim.claimed_raw_ns,
        "decision": decision,
        "receipt_id": verdict.receipt_id if decision == "confirmed" else None,
        "hold_expires_ns": hold.expires_ns if hold else None,
    }


def _answer(record: Record, decision: Decision, wanted: tuple[Decision, ...], ok: int) -> Response:
    body = members(record, decision)
    if decision in wanted:
        return Response(orjson.dumps(body), ok, media_type="application/json")
    name, detail = _REFUSALS[decision]
    raise ProblemError(name, detail.format(seat=body["seat"], server=body["server"]), body)


def reserved(record: Record) -> Response:
    """201 as the buyer was first told, or a 409 problem, the same for every repetition."""
    assert record.verdict is not None
    return _answer(record, record.verdict.answered, ("held", "confirmed"), 201)


def confirmed(record: Record) -> Response:
    """200 with the receipt, or a 409 problem that says what became of the claim."""
    assert record.verdict is not None
    return _answer(record, record.verdict.decision, ("confirmed",), 200)


def cancelled(record: Record) -> Response:
    """200 for a hold that was given back."""
    assert record.verdict is not None
    return _answer(record, record.verdict.decision, ("cancelled",), 200)
