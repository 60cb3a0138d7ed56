"""For peers (claims) and for the lab (ground truth about clocks); not for buyers."""

from __future__ import annotations

from starlette.requests import Request

from booking import measurements
from booking.clocks import NS
from booking.comparison import Measurement
from booking.models import ClaimsMessage, MeasurementsMessage, PromiseMessage, Recorded
from booking.policy import Claim
from booking.problems import ProblemError
from booking.routes.common import (
    NEEDS_DATABASE,
    TAKES_BODY,
    Routes,
    read_body,
    responses,
    service_of,
)

router = Routes("internal", prefix="/internal")

INTERNAL_BYTES_MAX = 4 * 1024 * 1024


@router.post(
    "/claims",
    summary="Claims of a peer",
    responses=responses("not-replicating", *TAKES_BODY, *NEEDS_DATABASE),
    body=ClaimsMessage,
)
async def receive_claims(request: Request) -> Recorded:
    """Answered once the claims are on record; sent again, they stay as they were first known."""
    service = service_of(request)
    policy = service.policy
    message = await read_body(request, ClaimsMessage, INTERNAL_BYTES_MAX)
    claims = [Claim(**dict(claim)) for claim in message.claims]
    strangers = {claim.origin for claim in claims} - set(service.settings.peers)
    if policy.replicates and strangers:
        detail = f"body.claims: not a peer of this server: {', '.join(sorted(strangers))}"
        raise ProblemError("invalid-request", detail)
    wall_ns = service.clock().wall_ns
    await policy.receive(claims)
    for claim in claims:
        service.metrics.received.labels(claim.origin).inc()
        lag_s = (wall_ns - claim.stamp_ns) / NS
        service.metrics.apparent_lag.labels(claim.origin).set(lag_s)
    return Recorded(recorded=len(claims))


@router.post(
    "/promises",
    summary="How far a peer's clock may be off",
    responses=responses("not-replicating", *TAKES_BODY, *NEEDS_DATABASE),
    body=PromiseMessage,
)
async def receive_promise(request: Request) -> Recorded:
    """For policy commit-wait: a peer's bound goes into how long claims wait here."""
    service = service_of(request)
    policy = service.policy
    message = await read_body(request, PromiseMessage)
    if policy.replicates and message.server not in service.settings.peers:
        detail = f"body.server: not a peer of this server: {message.server}"
        raise ProblemError("invalid-request", detail)
    policy.hear(message.server, message.bound_ns, message.raw_ns)
    return Recorded(recorded=1)


@router.post(
    "/clock_measurements",
    summary="Ground truth about clocks",
    responses=responses(*TAKES_BODY, *NEEDS_DATABASE),
    body=MeasurementsMessage,
)
async def record_measurements(request: Request) -> Recorded:
    """Recorded with source `lab`; `/compare_reservations` prefers it to chronyd's belief."""
    pool = service_of(request).pool
    message = await read_body(request, MeasurementsMessage, INTERNAL_BYTES_MAX)
    measured = [
        Measurement(m.server, m.wall_ns, m.raw_ns, m.error_ns, m.bound_ns, "lab", None)
        for m in message.measurements
    ]
    await measurements.record(pool, measured)
    return Recorded(recorded=len(measured))
