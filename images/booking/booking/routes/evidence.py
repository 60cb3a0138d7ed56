"""What was recorded, and what the stamps say once the clocks' errors are taken out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from booking import measurements, queries
from booking.comparison import MEASUREMENT_AGE_NS_MAX, Measurement, Stamped, compare, summarize
from booking.models import INT64, ComparedSeat, Comparison, Name, ReservationsPage
from booking.queries import Filters
from booking.routes.common import NEEDS_DATABASE, responses, service_of
from booking.service import Service

router = APIRouter(tags=["evidence"])

PAGE_MAX = 1000
MEASUREMENTS_MAX = 200_000

Time = Annotated[
    str | None,
    Query(max_length=64, description="Wall-clock stamp: nanoseconds, or RFC 3339 with an offset"),
]
Limit = Annotated[int, Query(ge=1, le=PAGE_MAX)]


def _filters(
    seat: Annotated[Name | None, Query()] = None,
    server: Annotated[Name | None, Query()] = None,
    phase: Annotated[Name | None, Query()] = None,
    from_: Annotated[Time, Query(alias="from")] = None,
    to: Time = None,
) -> Filters:
    from_ns = queries.parse_time("from", from_, -INT64)
    return Filters(seat, server, phase, from_ns, queries.parse_time("to", to, INT64))


Filtered = Annotated[Filters, Depends(_filters)]


@router.get(
    "/get_reservations",
    summary="Recorded reservations",
    responses=responses("invalid-request", *NEEDS_DATABASE),
)
async def get_reservations(
    request: Request,
    filters: Filtered,
    limit: Limit = 100,
    after: Annotated[int, Query(alias="next", ge=0, le=INT64)] = 0,
) -> ReservationsPage:
    """In the order in which they were recorded; pass `next` on to get the page behind."""
    service = service_of(request)
    found, following = await queries.reservations(service.pool, filters, after, limit)
    return ReservationsPage(
        server=service.settings.node,
        database=service.settings.database,
        reservations=found,
        next=None if following is None else str(following),
    )


@router.get(
    "/compare_reservations",
    summary="Stamps before and after correction",
    responses=responses("invalid-request", *NEEDS_DATABASE),
)
async def compare_reservations(
    request: Request,
    filters: Filtered,
    limit: Limit = 100,
    after: Annotated[Name | None, Query(alias="next")] = None,
) -> Comparison:
    """Per seat the claims in stamp order, and in the order of their corrected stamps.

    `limit` counts seats; the summary is over all claims that the filters leave.
    """
    service = service_of(request)
    claims, truncated = await queries.claims(service.pool, filters)
    known = await _measured(service, claims)
    # In a thread: twenty thousand claims take a moment in which others want to book.
    seats = await asyncio.to_thread(compare, claims, known)
    summary = await asyncio.to_thread(summarize, seats)
    page, following = _page(seats, after, limit)
    return Comparison(
        server=service.settings.node,
        policy=service.settings.policy.name,
        database=service.settings.database,
        scope=_scope(service),
        servers_known=sorted({claim.server for claim in claims}),
        servers_decided=sorted({claim.server for claim in claims if claim.decision}),
        truncated=truncated or len(known) == MEASUREMENTS_MAX,
        summary=summary,
        seats=page,
        next=following,
    )


async def _measured(service: Service, claims: Sequence[Stamped]) -> list[Measurement]:
    if not claims:
        return []
    walls, raws = [c.wall_ns for c in claims], [c.raw_ns for c in claims]
    slack = MEASUREMENT_AGE_NS_MAX
    return await measurements.between(
        service.pool,
        sorted({claim.server for claim in claims}),
        (min(walls) - slack, max(walls) + slack),
        (min(raws) - slack, max(raws) + slack),
        MEASUREMENTS_MAX,
    )


def _page(
    seats: Sequence[ComparedSeat], after: str | None, limit: int
) -> tuple[list[ComparedSeat], str | None]:
    rest = [seat for seat in seats if after is None or seat.seat > after]
    page = rest[:limit]
    return page, page[-1].seat if len(rest) > limit else None


def _scope(service: Service) -> str:
    if service.settings.policy.shared_database:
        return "All servers share this database: every claim and every decision is in it."
    return (
        f"The database of {service.settings.node} alone: its own claims and decisions, and the"
        " claims that peers have told it. What peers decided is in their databases."
    )
