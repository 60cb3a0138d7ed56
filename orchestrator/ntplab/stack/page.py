"""The page of the demo stack, behind its proxy: everybody may look, the token lets one change."""

from __future__ import annotations

import sys
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse, Response

from ..errors import NtplabError, UsageError
from ..ui.security import LOOPBACK_NAMES
from ..ui.server import make_app
from .desk import StackDesk
from .driver import HandsDriver
from .keeper import Keeper
from .metrics import CONTENT_TYPE, exposition
from .preparing import NODES
from .settings import Settings

RUNS = Path("/evidence")
TOKEN_FILE = Path("/run/secrets/page_token")
ADDRESS, PORT = "0.0.0.0", 8420
"""On a network that only the proxy and Prometheus share with it."""
TOKEN_MIN = 16
CLOSE_WITHIN_S = 3


def serve(settings: Settings) -> None:
    """Until SIGTERM; then what was recorded is sealed."""
    driver = HandsDriver()
    desk = StackDesk(RUNS, driver)
    keeper = Keeper(desk, driver, settings, RUNS)
    names = (settings.site, "page", *LOOPBACK_NAMES)
    app = make_app(
        desk, read_token(), ADDRESS, PORT, lambda: server.should_exit, names, settings.streams_max
    )
    watched(app, desk, keeper)
    # Only the proxy can reach this: what it says of scheme and client holds.
    config = uvicorn.Config(
        app, host=ADDRESS, port=PORT, log_level="warning", proxy_headers=True,
        forwarded_allow_ips="*", timeout_graceful_shutdown=CLOSE_WITHIN_S,
    )  # fmt: skip
    server = uvicorn.Server(config)
    keeper.start()
    try:
        server.run()
    finally:
        keeper.end()
        try:
            desk.close()
        except NtplabError as error:  # at a shutdown of the machine the others may be gone
            print(f"page: sealed without the last phase's records: {error}", file=sys.stderr)


def watched(app: FastAPI, desk: StackDesk, keeper: Keeper) -> None:
    """For the engine's health check and for Prometheus; the proxy shows neither to anybody."""

    @app.get("/healthz")
    def healthz() -> JSONResponse:
        up = desk.shown is not None
        return JSONResponse({"status": "ok" if up else "waiting"}, 200 if up else 503)

    @app.get("/metrics")
    def metrics() -> Response:
        figures, streams = desk.model.figures(), app.state.hub.listeners
        return Response(exposition(figures, keeper.alive, NODES, streams), media_type=CONTENT_TYPE)


def read_token(file: Path = TOKEN_FILE) -> str:
    """Raises `UsageError` when there is none worth its name."""
    try:
        token = file.read_text().strip()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}", hint="compose/secrets.sh makes it") from error
    if len(token) < TOKEN_MIN:
        raise UsageError("page_token is too short", hint=f"{TOKEN_MIN} characters or more")
    return token
