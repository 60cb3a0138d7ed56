"""What the routes share: being declared, reading a body, every status in OpenAPI.

Bodies are validated by pydantic straight from their bytes; FastAPI's own parameter machinery would
cost a third of a reservation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from booking.models import DecisionProblem, InvalidProblem, Problem
from booking.problems import MEDIA_TYPE, PROBLEMS, ProblemError, invalid
from booking.service import Service

BODY_BYTES_MAX = 16 * 1024

M = TypeVar("M", bound=BaseModel)
H = TypeVar("H", bound=Callable[..., Any])
Responses = dict[int | str, dict[str, Any]]

_MODELS: dict[int, type[BaseModel]] = {409: DecisionProblem, 422: InvalidProblem}


@dataclass(frozen=True)
class Route:
    """One route as declared: `body` is what `read_body` reads there, `options` are FastAPI's."""

    method: str
    path: str
    handler: Callable[..., Any]
    body: type[BaseModel] | None
    options: dict[str, Any]


@dataclass(frozen=True)
class Routes:
    """Routes of one part of the API. Declared without FastAPI, which is told of them in `api`."""

    tag: str
    prefix: str = ""
    declared: list[Route] = field(default_factory=list)

    def get(self, path: str, **options: Any) -> Callable[[H], H]:
        return self._declare("GET", path, None, options)

    def post(self, path: str, *, body: type[BaseModel], **options: Any) -> Callable[[H], H]:
        return self._declare("POST", path, body, options)

    def _declare(
        self, method: str, path: str, body: type[BaseModel] | None, options: dict[str, Any]
    ) -> Callable[[H], H]:
        def take(handler: H) -> H:
            self.declared.append(Route(method, self.prefix + path, handler, body, options))
            return handler

        return take


def service_of(request: Request) -> Service:
    """The service behind this request."""
    service: Service = request.app.state.service
    return service


async def read_body(request: Request, model: type[M], limit: int = BODY_BYTES_MAX) -> M:
    """The body as `model`. Raises ProblemError when it is too large or not valid."""
    declared = request.headers.get("content-length", "0")
    if declared.isdigit() and int(declared) > limit:
        raise ProblemError("payload-too-large", f"At most {limit} bytes are taken.")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > limit:
            raise ProblemError("payload-too-large", f"At most {limit} bytes are taken.")
    try:
        return model.model_validate_json(bytes(body))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise invalid([{"loc": ("body", *e["loc"]), "msg": e["msg"]} for e in faults]) from None


def body_of(model: type[BaseModel]) -> dict[str, Any]:
    """OpenAPI for a body that `read_body` reads."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    definitions = schema.pop("$defs", {})
    return {
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "x-definitions": definitions,
    }


def responses(*names: str, also: Responses | None = None) -> Responses:
    """OpenAPI responses for the problems of these names, those of one status together."""
    by_status: dict[int, list[str]] = {}
    for name in names:
        by_status.setdefault(PROBLEMS[name][0], []).append(name)
    documents: Responses = {
        status: {
            "description": "; ".join(f"{PROBLEMS[n][1]} (`{n}`)" for n in names_of),
            "content": {MEDIA_TYPE: {"schema": _schema(status)}},
        }
        for status, names_of in sorted(by_status.items())
    }
    return documents | (also or {})


def _schema(status: int) -> dict[str, Any]:
    model = _MODELS.get(status, Problem)
    return {"$ref": f"#/components/schemas/{model.__name__}"}


PROBLEM_MODELS: tuple[type[BaseModel], ...] = (Problem, InvalidProblem, DecisionProblem)
NEEDS_DATABASE = ("internal-error", "not-ready", "database-unavailable")
TAKES_BODY = ("invalid-request", "payload-too-large")
