"""Every error this service can answer with, as RFC 9457 problem documents.

The table `PROBLEMS` is the whole of it: a route or a policy raises `ProblemError` with one of its
names, and the handlers installed here turn it (and whatever else goes wrong) into
`application/problem+json`.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import asyncpg
import orjson
from starlette.exceptions import HTTPException
from starlette.responses import Response

MEDIA_TYPE = "application/problem+json"
TYPE_PREFIX = "urn:ntplab:booking:"
RETRY_AFTER_S = 1

PROBLEMS: dict[str, tuple[int, str]] = {
    "invalid-request": (422, "The request is not valid"),
    "idempotency-key-reused": (422, "The idempotency key was used for another request"),
    "seat-taken": (409, "The seat is taken"),
    "hold-expired": (409, "The hold has expired"),
    "hold-cancelled": (409, "The hold was cancelled"),
    "already-confirmed": (409, "The reservation is confirmed"),
    "wrong-server": (409, "Another server holds this claim"),
    "nothing-to-cancel": (409, "This policy holds nothing that could be cancelled"),
    "not-replicating": (409, "This policy does not replicate claims"),
    "unknown-claim": (404, "No such claim"),
    "not-found": (404, "No such resource"),
    "method-not-allowed": (405, "The method is not allowed here"),
    "payload-too-large": (413, "The request body is too large"),
    "internal-error": (500, "The service failed"),
    "clock-uncertain": (503, "The server's clock is not certain enough to sell by"),
    "not-ready": (503, "The service is not ready"),
    "database-unavailable": (503, "The database cannot be reached"),
}

DATABASE_FAILURES = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    OSError,
    TimeoutError,
)

_log = logging.getLogger("booking.problems")


class ProblemError(Exception):
    """Answer with the problem `name` of the table; `members` are its extension members."""

    def __init__(
        self,
        name: str,
        detail: str,
        members: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(f"{name}: {detail}")
        self.name = name
        self.detail = detail
        self.members = members or {}
        self.headers = headers

    @property
    def status(self) -> int:
        return PROBLEMS[self.name][0]


def respond(error: ProblemError) -> Response:
    """The problem document of `error`. Its own members win over extension members."""
    status, title = PROBLEMS[error.name]
    document = {
        **error.members,
        "type": TYPE_PREFIX + error.name,
        "title": title,
        "status": status,
        "detail": error.detail,
    }
    headers = dict(error.headers or {})
    if status == 503:
        headers.setdefault("Retry-After", str(RETRY_AFTER_S))
    return Response(orjson.dumps(document), status, headers, MEDIA_TYPE)


def invalid(errors: list[Any]) -> ProblemError:
    """A 422 that lists each fault as `{"at": "body.seat", "message": ...}`."""
    faults = [
        {"at": ".".join(str(part) for part in e["loc"]) or "body", "message": e["msg"]}
        for e in errors
    ]
    detail = "; ".join(f"{fault['at']}: {fault['message']}" for fault in faults)
    return ProblemError("invalid-request", detail, {"errors": faults})


def _http(error: HTTPException) -> ProblemError:
    names = {404: "not-found", 405: "method-not-allowed", 413: "payload-too-large"}
    name = names.get(error.status_code, "internal-error")
    return ProblemError(name, str(error.detail), headers=error.headers)


def _database(error: Exception) -> ProblemError:
    _log.warning("database unavailable", extra={"error": repr(error)})
    detail = f"The database did not answer ({type(error).__name__}); nothing is known to be booked."
    return ProblemError("database-unavailable", detail)


def _bug(error: Exception) -> ProblemError:
    _log.error("unexpected error", exc_info=error)
    return ProblemError("internal-error", "An unexpected error occurred; the server's log has it.")


def answer(error: Exception) -> Response:
    """The problem document for whatever went wrong."""
    if isinstance(error, ProblemError):
        return respond(error)
    if isinstance(error, HTTPException):
        return respond(_http(error))
    return respond(_database(error) if isinstance(error, DATABASE_FAILURES) else _bug(error))
