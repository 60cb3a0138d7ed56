"""The FastAPI application: every route, documented by OpenAPI.

Imported only when a request needs it (`app`): a lab starts many servers at once, none of which
is asked for more than what `app` answers by itself, and FastAPI is half of a server's start.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from booking import problems
from booking.problems import DATABASE_FAILURES, ProblemError
from booking.routes import booking, evidence, internal, operations
from booking.routes.common import PROBLEM_MODELS, Routes, body_of
from booking.service import Service

VERSION = "1.0"


def create_api(service: Service) -> FastAPI:
    """The FastAPI application around `service`, which whoever serves it starts and stops."""
    api = FastAPI(
        title="Concert booking",
        version=VERSION,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    api.state.service = service
    _install_problems(api)
    _include(api, booking.router)
    api.include_router(evidence.router)
    _include(api, operations.router)
    _include(api, internal.router)
    _complete_openapi(api)
    return api


def _include(api: FastAPI, routes: Routes) -> None:
    for route in routes.declared:
        options = {"methods": [route.method], "tags": [routes.tag], **route.options}
        if route.body is not None:
            options["openapi_extra"] = {**body_of(route.body), **options.get("openapi_extra", {})}
        api.add_api_route(route.path, route.handler, **options)


async def _on_error(request: Request, error: Exception) -> Response:
    if isinstance(error, RequestValidationError):
        return problems.respond(problems.invalid(list(error.errors())))
    return problems.answer(error)


def _install_problems(api: FastAPI) -> None:
    """Make every error of `api` a problem document."""
    for kind in (ProblemError, RequestValidationError, HTTPException, *DATABASE_FAILURES):
        api.add_exception_handler(kind, _on_error)
    # Starlette raises these again behind the answer; uvicorn's log then has them twice.
    api.add_exception_handler(Exception, _on_error)


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
