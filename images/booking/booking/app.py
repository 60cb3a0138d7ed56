"""Puts the service behind HTTP: routes, problems, OpenAPI, and its start and stop."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp

from booking import problems
from booking.metrics import Measure
from booking.routes import booking, evidence, internal, operations
from booking.routes.common import PROBLEM_MODELS
from booking.service import Service

VERSION = "1.0"


def create_api(service: Service) -> FastAPI:
    """The FastAPI application around `service`, which it starts and stops."""

    @asynccontextmanager
    async def lifespan(api: FastAPI) -> AsyncIterator[None]:
        await service.start()
        try:
            yield
        finally:
            await service.stop()

    api = FastAPI(title="Concert booking", version=VERSION, lifespan=lifespan)
    api.state.service = service
    problems.install(api)
    for part in (booking, evidence, operations, internal):
        api.include_router(part.router)
    _complete_openapi(api)
    return api


def create_app(service: Service) -> ASGIApp:
    """What uvicorn serves: the API, measured."""
    return Measure(create_api(service), service.metrics)


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
