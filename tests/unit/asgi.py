"""A client for ASGI applications that needs no server, no port and no library."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def document(self) -> Any:
        return json.loads(self.body)


async def call(
    app: ASGIApp,
    method: str,
    target: str,
    body: bytes | object = b"",
    headers: Mapping[str, str] | None = None,
) -> Reply:
    """Send one request; `body` is sent as it is, or as JSON when it is not bytes.

    An error that the application raises behind its answer is for the server's log, as with uvicorn.
    """
    path, _, query = target.partition("?")
    payload = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent: list[Message] = []

    heard: list[bool] = []

    async def receive() -> Message:
        if heard:
            await asyncio.Event().wait()  # the client stays, and says nothing more
        heard.append(True)
        return {"type": "http.request", "body": payload, "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": [(k.lower().encode(), v.encode()) for k, v in (headers or {}).items()],
        "client": ("test", 1),
        "server": ("test", 80),
    }
    try:
        await app(scope, receive, send)
    except Exception:
        if not sent:
            raise
    start, *rest = sent
    return Reply(
        start["status"],
        {k.decode(): v.decode() for k, v in start["headers"]},
        b"".join(message.get("body", b"") for message in rest),
    )
