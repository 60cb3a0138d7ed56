"""Liveness, readiness, metrics, and this server's clock."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from booking.chrony import Belief as Believed
from booking.clocks import Reading, iso
from booking.metrics import CONTENT_TYPE
from booking.models import Belief, ClockAnswer, Health
from booking.problems import DATABASE_FAILURES, ProblemError
from booking.routes.common import Routes, responses, service_of
from booking.service import Service

router = Routes("operations")

READY_TIMEOUT_S = 2.0


def _health(service: Service, reason: str | None = None) -> Health:
    return Health(
        status="not ready" if reason else "ok",
        server=service.settings.node,
        policy=service.settings.policy.name,
        reason=reason,
        generation=service.settings.generation,
        reloads=service.reloads,
        refused=service.refused,
    )


@router.get("/healthz", summary="Is the process alive", responses=responses("internal-error"))
async def healthz(request: Request) -> Health:
    """Says nothing about the database: a process that waits for it is alive."""
    return _health(service_of(request))


@router.get(
    "/readyz",
    summary="Can it book",
    response_model=Health,
    responses=responses(
        "internal-error",
        also={503: {"model": Health, "description": "Not ready; `reason` says why."}},
    ),
)
async def readyz(request: Request) -> Response:
    """200 once the database is migrated and a connection of the pool answers."""
    service = service_of(request)
    reason = None
    try:
        await service.pool.fetchval("SELECT 1", timeout=READY_TIMEOUT_S)
    except ProblemError as error:
        reason = error.detail
    except DATABASE_FAILURES as error:
        reason = f"the database does not answer: {type(error).__name__}: {error}"
    return JSONResponse(_health(service, reason).model_dump(), 503 if reason else 200)


@router.get(
    "/metrics",
    summary="Prometheus metrics",
    response_class=Response,
    responses=responses(
        "internal-error", also={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}}
    ),
)
async def metrics(request: Request) -> Response:
    """The text exposition format."""
    service = service_of(request)
    gauges = service.database_gauges()
    service.metrics.pool_size.set(gauges["size"])
    service.metrics.pool_idle.set(gauges["idle"])
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


def _belief(belief: Believed, now: Reading) -> Belief:
    tracking = belief.tracking
    known = tracking if belief.state == "ok" else None
    asked = belief.asked
    return Belief(
        state=belief.state,
        reason=belief.reason,
        asked_wall_ns=asked.wall_ns if asked else None,
        age_ns=now.raw_ns - asked.raw_ns if asked else None,
        offset_ns=known.offset_ns if known else None,
        error_bound_ns=known.error_bound_ns if known else None,
        frequency_ppm=known.frequency_ppm if known else None,
        root_delay_ns=known.root_delay_ns if known else None,
        root_dispersion_ns=known.root_dispersion_ns if known else None,
        stratum=known.stratum if known else None,
        reference=known.reference if known else None,
        leap=tracking.leap if tracking else None,
    )


@router.get("/clock", summary="This server's wall clock", responses=responses("internal-error"))
async def clock(request: Request) -> ClockAnswer:
    """Both clocks at one instant, and what chronyd believes of the wall clock."""
    service = service_of(request)
    now = service.clock()
    return ClockAnswer(
        server=service.settings.node,
        wall_ns=now.wall_ns,
        wall=iso(now.wall_ns),
        raw_ns=now.raw_ns,
        chronyd=_belief(service.watch.belief, now),
    )
