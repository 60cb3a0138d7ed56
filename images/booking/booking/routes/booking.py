"""Reserve, confirm, cancel: the buyers' side."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from booking import answers
from booking.models import Answer, ClaimRequest, ReserveRequest
from booking.policy import Order
from booking.problems import ProblemError
from booking.routes.common import (
    NEEDS_DATABASE,
    TAKES_BODY,
    Routes,
    read_body,
    responses,
    service_of,
)

router = Routes("booking")

KEY_HEADER = "idempotency-key"
KEY_LENGTH_MAX = 128
_KEY_PARAMETER = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": True,
    "schema": {"type": "string", "minLength": 1, "maxLength": KEY_LENGTH_MAX},
    "description": "Repeated, it gets the first answer again, across restarts too.",
}


def _idempotency_key(request: Request) -> str:
    key = request.headers.get(KEY_HEADER, "")
    if not (0 < len(key) <= KEY_LENGTH_MAX and key.isascii() and key.isprintable()):
        detail = f"header.Idempotency-Key: 1 to {KEY_LENGTH_MAX} printable ASCII characters"
        raise ProblemError("invalid-request", detail)
    return key


@router.post(
    "/reserve_ticket",
    status_code=201,
    summary="Reserve a seat for a buyer",
    responses=responses(
        "seat-taken",
        "idempotency-key-reused",
        "clock-uncertain",
        *TAKES_BODY,
        *NEEDS_DATABASE,
        also={201: {"model": Answer, "description": "The seat is confirmed, or held."}},
    ),
    body=ReserveRequest,
    openapi_extra={"parameters": [_KEY_PARAMETER]},
)
async def reserve_ticket(request: Request) -> Response:
    """Stamps a claim with this server's wall clock and decides as the policy says."""
    policy = service_of(request).policy
    key = _idempotency_key(request)
    wanted = await read_body(request, ReserveRequest)
    record = await policy.reserve(Order(wanted.seat, wanted.buyer, wanted.phase, key))
    return answers.reserved(record)


@router.post(
    "/confirm_reservation",
    summary="Confirm a hold",
    responses=responses(
        "hold-expired",
        "hold-cancelled",
        "seat-taken",
        "wrong-server",
        "unknown-claim",
        *TAKES_BODY,
        *NEEDS_DATABASE,
        also={200: {"model": Answer, "description": "Confirmed; carries the receipt."}},
    ),
    body=ClaimRequest,
)
async def confirm_reservation(request: Request) -> Response:
    """The claim's id is its idempotency key: repeated, the outcome is the same."""
    policy = service_of(request).policy
    wanted = await read_body(request, ClaimRequest)
    return answers.confirmed(await policy.confirm(wanted.claim_id))


@router.post(
    "/cancel_reservation",
    summary="Give a hold back",
    responses=responses(
        "already-confirmed",
        "nothing-to-cancel",
        "wrong-server",
        "unknown-claim",
        *TAKES_BODY,
        *NEEDS_DATABASE,
        also={200: {"model": Answer, "description": "Cancelled; the seat is free again."}},
    ),
    body=ClaimRequest,
)
async def cancel_reservation(request: Request) -> Response:
    """For policies that hold first; the others have nothing to give back."""
    policy = service_of(request).policy
    wanted = await read_body(request, ClaimRequest)
    return answers.cancelled(await policy.cancel(wanted.claim_id))
