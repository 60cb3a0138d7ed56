"""The HTTP side of the booking service: every status that is declared can be met, and none is met
that is not declared. Without a database: the policy is a stub."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from starlette.types import ASGIApp

from booking.api import create_api
from booking.app import DIRECT, EXPRESS, ExpressLane, create_app
from booking.models import (
    Answer,
    ClockAnswer,
    Comparison,
    DecisionProblem,
    Health,
    Recorded,
    ReservationsPage,
)
from booking.problems import MEDIA_TYPE, PROBLEMS, TYPE_PREFIX
from booking.routes.booking import KEY_LENGTH_MAX
from booking.routes.common import BODY_BYTES_MAX
from booking.routes.internal import INTERNAL_BYTES_MAX
from booking.service import Service

from .asgi import call
from .booking_stub import NOW, StubService, settings

KEY = {"Idempotency-Key": "k1"}
ORDER = {"seat": "A-1", "buyer": "b-1"}
CLAIM = {
    "claim_id": "c1", "origin": "lyon", "seat": "A-1", "buyer": "b-1", "stamp_ns": NOW.wall_ns - 1,
    "claimed_raw_ns": 1,
}  # fmt: skip
PROMISE = {"server": "lyon", "bound_ns": 5_000_000, "raw_ns": 1}
MEASUREMENT = {"server": "lyon", "wall_ns": 5, "error_ns": -5_000_000_000}
ROW = {
    "number": 7, "receipt_id": "r", "claim_id": "c1", "server": "paris", "policy": "unique",
    "phase": None, "seat": "A-1", "buyer": "b-1", "stamp_ns": 1, "claimed_raw_ns": 2,
    "decision": "confirmed", "decided_wall_ns": 3, "decided_raw_ns": 4, "stability_ns": None,
    "hold_granted_ns": None, "hold_expires_ns": None, "ttl_ns": None,
}  # fmt: skip

# operation -> status -> (target, body, headers, state of the service)
CASES: dict[tuple[str, str], dict[int, tuple[str, Any, dict[str, str], str]]] = {
    ("post", "/reserve_ticket"): {
        201: ("", ORDER, KEY, ""),
        409: ("", {**ORDER, "seat": "taken"}, KEY, ""),
        413: ("", b"x" * (BODY_BYTES_MAX + 1), KEY, ""),
        422: ("", {**ORDER, "price": 5}, KEY, ""),
        500: ("", {**ORDER, "seat": "boom"}, KEY, ""),
        503: ("", {**ORDER, "seat": "cut"}, KEY, ""),
    },
    ("post", "/confirm_reservation"): {
        200: ("", {"claim_id": "c-A-1"}, {}, "held"),
        404: ("", {"claim_id": "c-none"}, {}, ""),
        409: ("", {"claim_id": "c-late"}, {}, "held"),
        413: ("", b"x" * (BODY_BYTES_MAX + 1), {}, ""),
        422: ("", {}, {}, ""),
        500: ("", {"claim_id": "c-boom"}, {}, ""),
        503: ("", {"claim_id": "c-A-1"}, {}, "not ready"),
    },
    ("post", "/cancel_reservation"): {
        200: ("", {"claim_id": "c-A-1"}, {}, "held"),
        404: ("", {"claim_id": "c-none"}, {}, ""),
        409: ("", {"claim_id": "c-sold"}, {}, ""),
        413: ("", b"x" * (BODY_BYTES_MAX + 1), {}, ""),
        422: ("", b"[", {}, ""),
        500: ("", {"claim_id": "c-boom"}, {}, ""),
        503: ("", {"claim_id": "c-A-1"}, {}, "not ready"),
    },
    ("get", "/get_reservations"): {
        200: ("?seat=A-1&from=2023-10-01T12:00:00Z&to=1700000000000000006&limit=5", b"", {}, ""),
        422: ("?limit=0", b"", {}, ""),
        500: ("", b"", {}, "a bug"),
        503: ("", b"", {}, "cut"),
    },
    ("get", "/compare_reservations"): {
        200: ("", b"", {}, ""),
        422: ("?from=yesterday", b"", {}, ""),
        500: ("", b"", {}, "a bug"),
        503: ("", b"", {}, "not ready"),
    },
    ("get", "/healthz"): {200: ("", b"", {}, "not ready"), 500: ("", b"", {}, "broken")},
    ("get", "/readyz"): {
        200: ("", b"", {}, ""),
        500: ("", b"", {}, "a bug"),
        503: ("", b"", {}, "cut"),
    },
    ("get", "/metrics"): {200: ("", b"", {}, ""), 500: ("", b"", {}, "broken")},
    ("get", "/clock"): {200: ("", b"", {}, "not ready"), 500: ("", b"", {}, "broken")},
    ("post", "/internal/claims"): {
        200: ("", {"claims": [CLAIM]}, {}, ""),
        409: ("", {"claims": [CLAIM]}, {}, "unreplicated"),
        413: ("", b"x" * (INTERNAL_BYTES_MAX + 1), {}, ""),
        422: ("", {"claims": [{**CLAIM, "origin": "mallory"}]}, {}, ""),
        500: ("", {"claims": [CLAIM]}, {}, "broken"),
        503: ("", {"claims": [CLAIM]}, {}, "not ready"),
    },
    ("post", "/internal/promises"): {
        200: ("", PROMISE, {}, ""),
        409: ("", PROMISE, {}, "unreplicated"),
        413: ("", b"x" * (BODY_BYTES_MAX + 1), {}, ""),
        422: ("", {**PROMISE, "server": "mallory"}, {}, ""),
        500: ("", PROMISE, {}, "broken"),
        503: ("", PROMISE, {}, "not ready"),
    },
    ("post", "/internal/clock_measurements"): {
        200: ("", {"measurements": [MEASUREMENT]}, {}, ""),
        413: ("", b"x" * (INTERNAL_BYTES_MAX + 1), {}, ""),
        422: ("", {"measurements": []}, {}, ""),
        500: ("", {"measurements": [MEASUREMENT]}, {}, "a bug"),
        503: ("", {"measurements": [MEASUREMENT]}, {}, "cut"),
    },
}  # fmt: skip
MODELS: dict[str, type[BaseModel]] = {
    "/reserve_ticket": Answer,
    "/confirm_reservation": Answer,
    "/cancel_reservation": Answer,
    "/get_reservations": ReservationsPage,
    "/compare_reservations": Comparison,
    "/healthz": Health,
    "/readyz": Health,
    "/clock": ClockAnswer,
    "/internal/claims": Recorded,
    "/internal/promises": Recorded,
    "/internal/clock_measurements": Recorded,
}


@pytest.fixture
def service(tmp_path: Path) -> StubService:
    return StubService(settings(tmp_path))


@pytest.fixture
def app(service: StubService) -> ASGIApp:
    return create_app(service)


async def prepare(service: StubService, state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if state == "held":
        for seat in ("A-1", "late"):
            await call(create_app(service), "POST", EXPRESS, {**ORDER, "seat": seat}, KEY)
    elif state == "not ready":
        service.make_ready(False)
    elif state == "cut":
        service.stub_pool.error = ConnectionResetError("gone")
    elif state == "a bug":
        service.stub_pool.error = RuntimeError("a bug")
    elif state == "broken":
        for model in ("booking.routes.operations._health", "booking.routes.operations.iso"):
            monkeypatch.setattr(model, _broken)
        monkeypatch.setattr(service.metrics, "text", _broken)
        monkeypatch.setattr(service.stub_policy, "receive", _broken)
        monkeypatch.setattr(service.stub_policy, "hear", _broken)
    elif state == "unreplicated":
        monkeypatch.setattr(type(service.stub_policy), "replicates", False)
        monkeypatch.delattr(type(service.stub_policy), "receive")
        monkeypatch.delattr(type(service.stub_policy), "hear")


def _broken(*args: Any, **kwargs: Any) -> Any:
    raise RuntimeError("a bug")


ALL = [(method, path, status) for (method, path), by in CASES.items() for status in by]


@pytest.mark.parametrize(("method", "path", "status"), ALL)
async def test_each_declared_status_can_be_met(
    service: StubService,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    status: int,
) -> None:
    query, body, headers, state = CASES[method, path][status]
    await prepare(service, state, monkeypatch)
    reply = await call(create_app(service), method.upper(), path + query, body, headers)
    assert reply.status == status, reply.body
    if status < 300 and path in MODELS:
        assert set(reply.document) == set(MODELS[path].model_fields)
        MODELS[path].model_validate(reply.document)
    elif status >= 400 and path != "/readyz":
        assert reply.headers["content-type"] == MEDIA_TYPE
        assert reply.document["status"] == status


def test_openapi_declares_exactly_what_can_be_met(service: StubService) -> None:
    paths = create_api(service).openapi()["paths"]
    declared = {
        (method, path): {int(status) for status in operation["responses"]}
        for path, operations in paths.items()
        for method, operation in operations.items()
    }
    assert declared == {operation: set(by) for operation, by in CASES.items()}


def test_openapi_refers_to_nothing_that_is_missing(service: StubService) -> None:
    document = create_api(service).openapi()
    names = set(re.findall(r"#/components/schemas/(\w+)", str(document)))
    assert names <= set(document["components"]["schemas"])
    for operations in document["paths"].values():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                assert response["content"], (operation["summary"], status)
                assert status == "422" or "HTTPValidationError" not in str(response)


DIRECTLY = [
    (method, path, status)
    for method, path, status in ALL
    if (method.upper(), path) in DIRECT and status != 500
]


@pytest.mark.parametrize(("method", "path", "status"), DIRECTLY)
async def test_the_express_lane_answers_as_the_framework_does(
    service: StubService,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    path: str,
    status: int,
) -> None:
    _, body, headers, state = CASES[method, path][status]
    await prepare(service, state, monkeypatch)
    lane = ExpressLane(service, never)
    express = await call(lane, method.upper(), path, body, headers)
    framework = await call(create_api(service), method.upper(), path, body, headers)
    assert express.status == status
    assert express == framework


def never(_service: Service) -> ASGIApp:
    raise AssertionError("this request does not need the framework")


async def test_the_framework_is_made_once_and_only_when_it_is_needed(service: StubService) -> None:
    made: list[ASGIApp] = []

    def make(service: Service) -> ASGIApp:
        made.append(create_api(service))
        return made[-1]

    lane = ExpressLane(service, make)
    await call(lane, "GET", "/readyz")
    assert made == []
    replies = await asyncio.gather(*(call(lane, "GET", "/clock") for _ in range(3)))
    assert [reply.status for reply in replies] == [200, 200, 200]
    assert len(made) == 1


def test_starting_a_server_does_not_import_the_framework() -> None:
    code = "import sys, booking.app, booking.policies.lease; print('fastapi' in sys.modules)"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", code]
    assert subprocess.check_output(command, env=environment, text=True) == "False\n"


async def test_a_reservation_is_answered_with_the_stamp_and_who_made_it(app: ASGIApp) -> None:
    reply = await call(app, "POST", EXPRESS, {**ORDER, "phase": "ntp-off"}, KEY)
    assert reply.document == {
        "server": "paris", "seat": "A-1", "buyer": "b-1", "policy": "stub", "claim_id": "c-A-1",
        "stamp_ns": 1_700_000_000_000_000_005, "stamp": "2023-11-14T22:13:20.000000005Z",
        "raw_ns": 42, "decision": "held", "receipt_id": None,
        "hold_expires_ns": 1_700_000_000_000_000_010,
    }  # fmt: skip


async def test_a_lost_seat_is_a_problem_that_carries_the_answer(app: ASGIApp) -> None:
    reply = await call(app, "POST", EXPRESS, {**ORDER, "seat": "taken"}, KEY)
    assert reply.headers["content-type"] == MEDIA_TYPE
    assert reply.document["type"] == TYPE_PREFIX + "seat-taken"
    assert reply.document["decision"] == "rejected"
    assert set(reply.document) == set(DecisionProblem.model_fields)


@pytest.mark.parametrize("key", [None, "", "x" * (KEY_LENGTH_MAX + 1), "a\tb"])
async def test_a_reservation_without_a_proper_key_is_refused(app: ASGIApp, key: str | None) -> None:
    headers = {} if key is None else {"Idempotency-Key": key}
    reply = await call(app, "POST", EXPRESS, ORDER, headers)
    assert reply.status == 422
    assert "Idempotency-Key" in reply.document["detail"]


@pytest.mark.parametrize(
    "body",
    [b"", b"[", b"\xff", {}, {"seat": "A"}, {**ORDER, "seat": ""}, {**ORDER, "seat": 5},
     {**ORDER, "seat": "x" * 65}, {**ORDER, "seat": "a\0"}, {**ORDER, "buyer": None},
     {**ORDER, "phase": ""}, {**ORDER, "seat": "\ud800"}],
)  # fmt: skip
async def test_a_body_that_is_not_an_order_is_refused(app: ASGIApp, body: Any) -> None:
    reply = await call(app, "POST", EXPRESS, body, KEY)
    assert reply.status == 422, reply.body
    assert reply.document["errors"]


async def test_a_body_of_unknown_length_is_cut_off(app: ASGIApp) -> None:
    reply = await call(app, "POST", EXPRESS, b" " * (BODY_BYTES_MAX + 1), KEY)
    assert reply.status == 413


async def test_claims_of_peers_reach_the_policy(app: ASGIApp, service: StubService) -> None:
    reply = await call(app, "POST", "/internal/claims", {"claims": [CLAIM]})
    assert reply.document == {"recorded": 1}
    (claim,) = service.stub_policy.received
    assert (claim.origin, claim.stamp_ns) == ("lyon", NOW.wall_ns - 1)
    text = (await call(app, "GET", "/metrics")).body.decode()
    assert 'booking_claims_received_total{peer="lyon"} 1.0' in text
    assert 'booking_replication_apparent_lag_seconds{peer="lyon"} 1e-09' in text


async def test_ground_truth_is_recorded_with_its_source(app: ASGIApp, service: StubService) -> None:
    body = {"measurements": [{**MEASUREMENT, "raw_ns": 9, "bound_ns": 1}]}
    await call(app, "POST", "/internal/clock_measurements", body)
    assert service.stub_pool.written == [("lyon", 5, 9, -5_000_000_000, 1, "lab", None)]


async def test_pages_lead_on_until_there_is_no_more(app: ASGIApp, service: StubService) -> None:
    service.stub_pool.rows = [dict(ROW, number=7), dict(ROW, number=8)]
    first = (await call(app, "GET", "/get_reservations?limit=1")).document
    assert (len(first["reservations"]), first["next"]) == (1, "7")
    last = (await call(app, "GET", "/get_reservations?limit=2&next=6")).document
    assert (len(last["reservations"]), last["next"]) == (2, None)
    assert last["reservations"][0]["stamp"] == "1970-01-01T00:00:00.000000001Z"


async def test_chronyd_that_does_not_run_is_said(app: ASGIApp) -> None:
    chronyd = (await call(app, "GET", "/clock")).document["chronyd"]
    assert chronyd["state"] == "chronyd not running"
    assert chronyd["error_bound_ns"] is None


async def test_requests_are_counted_by_route_and_never_by_made_up_path(app: ASGIApp) -> None:
    await call(app, "POST", EXPRESS, ORDER, KEY)
    await call(app, "GET", "/made/up")
    text = (await call(app, "GET", "/metrics")).body.decode()
    assert 'booking_requests_total{route="/reserve_ticket",status="201"} 1.0' in text
    assert 'booking_requests_total{route="other",status="404"} 1.0' in text
    assert "made" not in text


@pytest.mark.parametrize(("method", "target", "name"), [
    ("GET", "/nothing", "not-found"), ("GET", EXPRESS, "method-not-allowed"),
])  # fmt: skip
async def test_unknown_resources_are_problems_too(
    app: ASGIApp, method: str, target: str, name: str
) -> None:
    reply = await call(app, method, target)
    assert (reply.status, reply.document["type"]) == (PROBLEMS[name][0], TYPE_PREFIX + name)


async def test_an_unavailable_service_says_when_to_come_again(
    app: ASGIApp, service: StubService
) -> None:
    service.make_ready(False)
    reply = await call(app, "POST", EXPRESS, ORDER, KEY)
    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"
    assert reply.document["type"] == TYPE_PREFIX + "not-ready"


async def test_requests_do_not_wait_for_each_other(app: ASGIApp) -> None:
    orders = [{**ORDER, "seat": f"A-{i}"} for i in range(50)]
    replies = await asyncio.gather(*(call(app, "POST", EXPRESS, o, KEY) for o in orders))
    assert {reply.document["seat"] for reply in replies} == {o["seat"] for o in orders}
