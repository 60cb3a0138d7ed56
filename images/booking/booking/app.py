"""Puts the service behind HTTP: routes, problems, OpenAPI, and its start and stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from booking import problems
from booking.metrics import ROUTE_KEY, Measure
from booking.routes import booking, evidence, internal, operations
from booking.routes.common import PROBLEM_MODELS
from booking.service import Service

VERSION = "1.0"
EXPRESS = "/reserve_ticket"


class ExpressLane:
    """Takes reservations past the framework's dispatch, straight to the handler of their route.

    Ten layers of middleware that a reservation does not need would cost a quarter of its time.
    The route itself is in the API as any other, so OpenAPI and tests of the API see it; errors
    become the same problem documents.
    """

    def __init__(self, api: FastAPI) -> None:
        self._api = api

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != EXPRESS or scope["method"] != "POST":
            await self._api(scope, receive, send)
            return
        scope["app"] = self._api
        scope[ROUTE_KEY] = EXPRESS
        try:
            response = await booking.reserve_ticket(Request(scope, receive))
        except Exception as error:
            response = problems.answer(error)
        await response(scope, receive, send)


def create_api(service: Service) -> FastAPI:
    """The FastAPI application around `service`, which it starts and stops."""

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    api = FastAPI(
        title="Concert booking",
        version=VERSION,
        lifespan=lifespan,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    api.state.service = service
    problems.install(api)
    for part in (booking, evidence, operations, internal):
        api.include_router(part.router)
    _complete_openapi(api)
    return api


def create_app(service: Service) -> ASGIApp:
    """What uvicorn serves: the API with its express lane, measured."""
    return Measure(ExpressLane(create_api(service)), service.metrics)


def _complete_openapi(api: FastAPI) -> None:
    """Add the schemas that only problem documents and hand-read bodies refer to."""
    generate = api.openapi

    def openapi() -> dict[str, Any]:
        if api.openapi_schema is None:
            document = generate()
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            for model in PROBLEM_MODELS:
                schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
                schemas.update(schema.pop("$defs", {}))
                schemas[model.__name__] = schema
            for path in document["paths"].values():
                for operation in path.values():
                    schemas.update(operation.pop("x-definitions", {}))
        return api.openapi_schema or {}

    api.openapi = openapi  # type: ignore[method-assign]
