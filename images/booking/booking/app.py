"""What uvicorn serves: the requests of a lab answered directly, all others by FastAPI.

Also starts and stops the service. See `api` for the whole API and its documents.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Mapping

from pydantic import BaseModel
from starlette.datastructures import State
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from booking import problems
from booking.metrics import ROUTE_KEY, Measure
from booking.routes import booking, internal, operations
from booking.service import Service

Handler = Callable[[Request], Awaitable[Response | BaseModel]]

EXPRESS = "/reserve_ticket"
DIRECT: Mapping[tuple[str, str], Handler] = {
    ("POST", EXPRESS): booking.reserve_ticket,
    ("POST", "/confirm_reservation"): booking.confirm_reservation,
    ("POST", "/cancel_reservation"): booking.cancel_reservation,
    ("POST", "/internal/claims"): internal.receive_claims,
    ("GET", "/healthz"): operations.healthz,
    ("GET", "/readyz"): operations.readyz,
}


class ExpressLane:
    """Takes what buyers, peers and the lab ask straight to the handler of its route.

    Ten layers of middleware that a reservation does not need would cost a quarter of its time,
    and FastAPI half of the server's start. The routes themselves are in the API as any other, so
    OpenAPI and tests of the API see them; errors become the same problem documents. `make_api`
    is called for the first request that is not of `DIRECT`, in a thread.
    """

    def __init__(self, service: Service, make_api: Callable[[Service], ASGIApp]) -> None:
        self.state = State({"service": service})
        self._service = service
        self._make_api = make_api
        self._api: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        handler = DIRECT.get((scope.get("method", ""), scope["path"]))
        if handler is None:
            api = await self._whole_api()
            await api(scope, receive, send)
            return
        scope["app"] = self
        scope[ROUTE_KEY] = scope["path"]
        try:
            answer = await handler(Request(scope, receive))
        except Exception as error:
            answer = problems.answer(error)
        if isinstance(answer, BaseModel):
            answer = Response(answer.model_dump_json(), media_type="application/json")
        await answer(scope, receive, send)

    async def _whole_api(self) -> ASGIApp:
        if self._api is None:
            make = asyncio.to_thread(self._make_api, self._service)
            self._api = asyncio.ensure_future(make)
        # Whoever goes away while it is made leaves it to the others.
        return await asyncio.shield(self._api)

    async def _live(self, receive: Receive, send: Send) -> None:
        """The lifespan protocol of ASGI: started with the server, stopped with it."""
        await receive()
        await self._service.start()
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGHUP, self._service.reload)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        loop.remove_signal_handler(signal.SIGHUP)
        await self._service.stop()
        await send({"type": "lifespan.shutdown.complete"})


def create_app(service: Service) -> ASGIApp:
    """What uvicorn serves, measured."""
    return Measure(ExpressLane(service, _import_api), service.metrics)


def _import_api(service: Service) -> ASGIApp:
    from booking.api import create_api

    return create_api(service)
