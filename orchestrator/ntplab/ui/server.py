"""The page over HTTP: static files, a snapshot, a stream of changes, and the buttons.

The last part before the command line. Changing calls are plain functions: FastAPI runs them in
threads, so that a slow container holds up nobody's stream.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel, ConfigDict, Field

from ..errors import NtplabError, UsageError
from .desk import Desk
from .hub import Hub
from .security import MAY_CHANGE, Guard

STATIC = Path(__file__).parent / "static"
OFFSET_NS_MAX = 10 * 365 * 86_400 * 1_000_000_000
DRIFT_PPM_MAX = 100_000.0

ShortName = Annotated[str, Field(max_length=200)]


class _Call(BaseModel):
    model_config = ConfigDict(extra="forbid")


class SwitchCall(_Call):
    state: Literal["on", "off"]
    servers: list[ShortName] = Field(default_factory=list, max_length=50)


class ClockCall(_Call):
    node: ShortName
    action: Literal["step", "set", "drift"]
    value: Annotated[float, Field(allow_inf_nan=False, ge=-OFFSET_NS_MAX, le=OFFSET_NS_MAX)]
    """ns, or ppm for drift"""


class LoadCall(_Call):
    rate_hz: Annotated[float, Field(allow_inf_nan=False, ge=0)]


class NameCall(_Call):
    name: ShortName


class ReplayCall(_Call):
    playing: bool | None = None
    speed: Annotated[float, Field(allow_inf_nan=False)] | None = None
    position_ms: Annotated[float, Field(allow_inf_nan=False, ge=0)] | None = None


def make_app(
    desk: Desk, token: str, host: str, port: int, over: Callable[[], bool] = lambda: False,
    public: Collection[str] = (), streams_max: int | None = None,
) -> FastAPI:  # fmt: skip
    """The application; `host` and `port` are what it is bound to, `over` says whether it was told
    to end. `public`: names at which everybody may look, see `security`; `streams_max`: how many
    browsers at once are told what is new."""
    hub = Hub(lambda: desk.model, over)

    @contextlib.asynccontextmanager
    async def life(_app: FastAPI) -> AsyncIterator[None]:
        ticking = asyncio.create_task(hub.run())
        yield
        ticking.cancel()

    app = FastAPI(lifespan=life, docs_url=None, redoc_url=None, openapi_url=None)
    app.add_exception_handler(NtplabError, _problem)
    app.add_exception_handler(RequestValidationError, _senseless)
    app.state.hub = hub
    _reading(app, desk, hub, streams_max)
    _lab(app, desk)
    _shown(app, desk)
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    app.add_middleware(Guard, token=token, host=host, port=port, public=public)
    return app


def _problem(_request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, NtplabError)
    status = 400 if isinstance(error, UsageError) else 409
    body = {"title": error.message, "hint": error.hint, "log": list(error.log_tail)}
    return JSONResponse(body, status_code=status)


def _senseless(_request: Request, error: Exception) -> JSONResponse:
    """A call whose values make no sense, each in words: the page shows them."""
    assert isinstance(error, RequestValidationError)
    found = [f"{one['loc'][-1]}: {one['msg']}" for one in error.errors()]
    return JSONResponse({"title": "; ".join(found), "hint": "", "log": []}, status_code=422)


def _reading(app: FastAPI, desk: Desk, hub: Hub, streams_max: int | None) -> None:
    @app.get("/")
    def page() -> FileResponse:
        return FileResponse(STATIC / "index.html")

    @app.get("/api/stream")
    async def stream() -> Response:
        if streams_max is not None and hub.listeners >= streams_max:
            body = {"title": "too many are looking at this page now", "hint": "come back later"}
            return JSONResponse(body, status_code=503, headers={"Retry-After": "20"})
        return StreamingResponse(hub.listen(), media_type="text/event-stream")

    @app.get("/api/state")
    def state() -> JSONResponse:
        return JSONResponse(desk.model.snapshot())

    @app.get("/api/access")
    def access(request: Request) -> dict[str, bool]:
        return {"may_change": bool(getattr(request.state, MAY_CHANGE, False))}

    @app.get("/api/library")
    def library() -> dict[str, Any]:
        return desk.library()

    @app.get("/api/seat")
    def seat(phase: ShortName, seat: ShortName) -> dict[str, Any]:
        return desk.seat(phase, seat)


def _lab(app: FastAPI, desk: Desk) -> None:
    """What acts on the lab that is shown."""

    @app.post("/api/ntp", status_code=204)
    def ntp(call: SwitchCall) -> None:
        desk.session.switch(call.state, call.servers)

    @app.post("/api/clock", status_code=204)
    def clock(call: ClockCall) -> None:
        if call.action == "drift" and abs(call.value) > DRIFT_PPM_MAX:
            raise UsageError(f"{call.value:g} ppm is too much", hint="at most 100000 ppm")
        desk.session.bend(call.node, call.action, call.value)

    @app.post("/api/load", status_code=204)
    def load(call: LoadCall) -> None:
        desk.session.load(call.rate_hz)

    @app.post("/api/snapshot", status_code=204)
    def snapshot() -> None:
        desk.session.snapshot()

    @app.post("/api/policy", status_code=204)
    def policy(call: NameCall) -> None:
        desk.session.policy(call.name)


def _shown(app: FastAPI, desk: Desk) -> None:
    """What decides what is shown."""

    @app.post("/api/lab/up", status_code=204)
    def lab_up(call: NameCall) -> None:
        desk.begin_lab(call.name)

    @app.post("/api/lab/take", status_code=204)
    def lab_take(call: NameCall) -> None:
        desk.look_around(call.name)

    @app.post("/api/lab/down", status_code=204)
    def lab_down() -> None:
        desk.end_lab()

    @app.post("/api/run/start", status_code=204)
    def run_start(call: NameCall) -> None:
        desk.begin_run(call.name)

    @app.post("/api/run/stop", status_code=204)
    def run_stop() -> None:
        desk.stop_run()

    @app.post("/api/replay/open", status_code=204)
    def replay_open(call: NameCall) -> None:
        desk.replay(call.name)

    @app.post("/api/replay", status_code=204)
    def replay(call: ReplayCall) -> None:
        desk.control_replay(call.playing, call.speed, call.position_ms)

    @app.post("/api/close", status_code=204)
    def close() -> None:
        desk.clear()
