"""One call to a booking server and what it came to. Used by `runner`.

Nothing is retried: an attempt is what happened the first time.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from .clock import LabClock
from .records import Outcome

Document = Mapping[str, Any]


@dataclass(frozen=True)
class Answer:
    """What a server said, or why it said nothing that can be used (`problem`).

    `answered_ns` is lab time when the whole answer was there, None when it never came.
    """

    answered_ns: int | None
    http_status: int | None
    outcome: Outcome
    document: Document
    problem: str | None


class BookingClient:
    """Calls booking servers; every call ends within `timeout_ns`."""

    def __init__(self, session: aiohttp.ClientSession, clock: LabClock, timeout_ns: int) -> None:
        self._session, self._clock, self._timeout_ns = session, clock, timeout_ns

    async def reserve(self, base_url: str, body: Document, key: str) -> Answer:
        return await self._post(f"{base_url}/reserve_ticket", body, key, read_reservation)

    async def confirm(self, base_url: str, claim_id: str, key: str) -> Answer:
        url = f"{base_url}/confirm_reservation"
        return await self._post(url, {"claim_id": claim_id}, key, read_confirmation)

    async def _post(
        self, url: str, body: Document, key: str, read: Callable[[int, int, Document], Answer]
    ) -> Answer:
        timeout = aiohttp.ClientTimeout(total=self._timeout_ns / 1e9)
        headers = {"Idempotency-Key": key}
        try:
            async with self._session.post(
                url, json=body, headers=headers, timeout=timeout
            ) as response:
                status, text = response.status, await response.text(errors="replace")
        except TimeoutError:
            return _unanswered(f"timed out after {self._timeout_ns / 1e9:g} s")
        except (aiohttp.ClientError, OSError) as error:
            return _unanswered(f"{type(error).__name__}: {error}")
        return read(self._clock.now_ns(), status, _object(text))


def read_reservation(answered_ns: int, status: int, document: Document) -> Answer:
    """What an answer to a reservation decided. Pure.

    Status and `decision` have to agree, else nothing was decided: a 409 may also say that a
    key was used twice.
    """
    decision = document.get("decision")
    if status in (200, 201) and decision in ("confirmed", "held"):
        return Answer(answered_ns, status, decision, document, None)
    if status == 409 and decision == "rejected":
        return Answer(answered_ns, status, "rejected", document, None)
    return _undecided(answered_ns, status, document)


def read_confirmation(answered_ns: int, status: int, document: Document) -> Answer:
    """What an answer to a confirmation decided: a receipt, or 409 when the hold is lost. Pure."""
    if status == 200 and document.get("receipt_id"):
        return Answer(answered_ns, status, "confirmed", document, None)
    if status == 409:
        return Answer(answered_ns, status, "rejected", document, None)
    return _undecided(answered_ns, status, document)


def _undecided(answered_ns: int, status: int, document: Document) -> Answer:
    said = document.get("detail") or document.get("title") or "an answer that decides nothing"
    return Answer(answered_ns, status, "failed", document, f"HTTP {status}: {said}")


def _unanswered(problem: str) -> Answer:
    return Answer(None, None, "failed", {}, problem)


def _object(text: str) -> Document:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}
