"""The load against real HTTP servers on 127.0.0.1: open loop, everything recorded once."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from buyers.arrivals import Arrival
from buyers.client import read_confirmation, read_reservation
from buyers.clock import LabClock
from buyers.load import Load
from buyers.runner import Summary, run_load

S = 1_000_000_000
MS = 1_000_000
ANCHOR_NS = 1_790_000_000 * S
CLOCK = LabClock(ANCHOR_NS)
REPOSITORY = Path(__file__).resolve().parents[2]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Document = Mapping[str, Any]


@asynccontextmanager
async def serving(reserve: Handler, confirm: Handler | None = None) -> AsyncIterator[str]:
    """The base URL of a server that answers with these handlers."""
    app = web.Application()
    app.router.add_post("/reserve_ticket", reserve)
    if confirm is not None:
        app.router.add_post("/confirm_reservation", confirm)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        port = runner.addresses[0][1]
        yield f"http://127.0.0.1:{port}"
    finally:
        await runner.cleanup()


def answer(status: int, decision: str, **fields: Any) -> web.Response:
    return web.json_response({"decision": decision, **fields}, status=status)


def confirmed(claim_id: str = "c") -> web.Response:
    return answer(201, "confirmed", claim_id=claim_id, receipt_id="r", stamp_ns=5)


def arrivals(*servers_and_due: tuple[str, int], confirm_delay_ns: int = 0) -> list[Arrival]:
    return [
        Arrival(f"a{n}", "races", None, f"b{n}", "A-0001", server, due_ns, confirm_delay_ns)
        for n, (server, due_ns) in enumerate(servers_and_due)
    ]


def load(servers: Mapping[str, str], *, holds: bool = False, timeout_ns: int = 20 * S) -> Load:
    return Load("ntp-off", 1, CLOCK.now_ns(), 10 * S, servers, holds, timeout_ns, ())


async def run(
    load: Load,
    arrivals: list[Arrival],
    stop: asyncio.Event | None = None,
    enough: asyncio.Event | None = None,
) -> tuple[Summary, dict[str, Document]]:
    """The summary, and the attempts by id: each recorded once, or this fails."""
    found: list[Document] = []
    summary = await run_load(load, arrivals, CLOCK, found.append, stop or asyncio.Event(), enough)
    by_id = {document["attempt_id"]: document for document in found}
    assert len(by_id) == len(found) == summary.attempts
    return summary, by_id


async def unused_url() -> str:
    async with serving(_never) as url:
        return url


async def _never(request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("unreachable")


async def test_an_attempt_is_recorded_with_what_was_asked_and_answered() -> None:
    asked: list[tuple[str | None, Any]] = []

    async def reserve(request: web.Request) -> web.Response:
        asked.append((request.headers.get("Idempotency-Key"), await request.json()))
        return answer(201, "confirmed", claim_id="c1", receipt_id="r1", stamp_ns=123)

    async with serving(reserve) as url:
        asked_for = load({"lyon": url})
        summary, found = await run(asked_for, arrivals(("lyon", 20 * MS)))
    assert summary == Summary(1, 0, False)
    assert asked == [("a0", {"seat": "A-0001", "buyer": "b0", "phase": "ntp-off"})]
    attempt = dict(found["a0"])
    due_ns, sent_ns, answered_ns = (attempt.pop(f"{k}_ns") for k in ("due", "sent", "answered"))
    assert due_ns == asked_for.start_lab_ns + 20 * MS
    assert due_ns <= sent_ns <= answered_ns <= CLOCK.now_ns()
    assert attempt == {
        "t": "attempt",
        "attempt_id": "a0",
        "phase": "ntp-off",
        "pattern": "races",
        "race": None,
        "buyer": "b0",
        "seat": "A-0001",
        "server": "lyon",
        "http_status": 201,
        "outcome": "confirmed",
        "receipt_id": "r1",
        "claim_id": "c1",
        "stamp_ns": 123,
        "problem": None,
        "confirm_delay_ns": 0,
        "confirm": None,
    }


async def test_a_server_that_does_not_answer_delays_nobody_else() -> None:
    """Closed loops fail here: the stuck server answers only when all others were served."""
    served = 0
    all_others = asyncio.Event()

    async def stuck(request: web.Request) -> web.Response:
        await all_others.wait()
        return confirmed()

    async def quick(request: web.Request) -> web.Response:
        nonlocal served
        served += 1
        if served == 150:
            all_others.set()
        return confirmed()

    async with serving(stuck) as slow_url, serving(quick) as quick_url:
        order = [("slow" if n % 2 == 0 else "quick", n * MS) for n in range(300)]
        asked_for = load({"slow": slow_url, "quick": quick_url}, timeout_ns=60 * S)
        _, found = await run(asked_for, arrivals(*order))
    assert {attempt["outcome"] for attempt in found.values()} == {"confirmed"}
    # In the order they were due, none before it was.
    sent = [found[f"a{n}"]["sent_ns"] for n in range(300)]
    assert sent == sorted(sent)
    assert all(attempt["sent_ns"] >= attempt["due_ns"] for attempt in found.values())


async def test_late_arrivals_are_sent_and_show_that_they_are_late() -> None:
    async with serving(_confirm_at_once) as url:
        asked_for = load({"lyon": url})
        _, found = await run(asked_for, arrivals(("lyon", -5 * S), ("lyon", -4 * S)))
    assert all(a["sent_ns"] - a["due_ns"] >= 4 * S for a in found.values())
    assert {a["outcome"] for a in found.values()} == {"confirmed"}


async def _confirm_at_once(request: web.Request) -> web.Response:
    return confirmed()


async def test_a_timeout_is_a_failure_that_says_so() -> None:
    async with serving(_never) as url:
        _, found = await run(load({"lyon": url}, timeout_ns=50 * MS), arrivals(("lyon", 0)))
    attempt = found["a0"]
    assert (attempt["outcome"], attempt["problem"]) == ("failed", "timed out after 0.05 s")
    assert (attempt["http_status"], attempt["answered_ns"]) == (None, None)


async def test_a_server_that_is_gone_is_a_failure_that_says_so() -> None:
    _, found = await run(load({"lyon": await unused_url()}), arrivals(("lyon", 0)))
    assert found["a0"]["outcome"] == "failed"
    assert found["a0"]["problem"].startswith("ClientConnectorError: ")


async def test_a_connection_cut_off_is_a_failure() -> None:
    async def cut(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return confirmed()

    async with serving(cut) as url:
        _, found = await run(load({"lyon": url}), arrivals(("lyon", 0)))
    assert found["a0"]["outcome"] == "failed"
    assert found["a0"]["problem"]


async def test_what_is_held_is_confirmed_when_that_is_due() -> None:
    keys: list[str | None] = []

    async def hold(request: web.Request) -> web.Response:
        return answer(201, "held", claim_id="c9", stamp_ns=7, receipt_id=None)

    async def confirm(request: web.Request) -> web.Response:
        keys.append(request.headers.get("Idempotency-Key"))
        assert await request.json() == {"claim_id": "c9"}
        return web.json_response({"receipt_id": "r9"})

    async with serving(hold, confirm) as url:
        asked_for = load({"lyon": url}, holds=True)
        _, found = await run(asked_for, arrivals(("lyon", 0), confirm_delay_ns=200 * MS))
    attempt = found["a0"]
    assert (attempt["outcome"], attempt["receipt_id"], attempt["problem"]) == ("held", "r9", None)
    second = attempt["confirm"]
    assert second["due_ns"] == max(attempt["due_ns"] + 200 * MS, attempt["answered_ns"])
    assert second["due_ns"] <= second["sent_ns"] <= second["answered_ns"]
    assert (second["http_status"], second["outcome"]) == (200, "confirmed")
    assert keys == ["a0-confirm"]


async def test_nothing_is_confirmed_before_it_is_held() -> None:
    async def slow_hold(request: web.Request) -> web.Response:
        await asyncio.sleep(0.1)  # past the instant at which it would be confirmed
        return answer(201, "held", claim_id="c")

    async def lost(request: web.Request) -> web.Response:
        return web.json_response({"title": "the hold expired"}, status=409)

    async with serving(slow_hold, lost) as url:
        _, found = await run(load({"lyon": url}, holds=True), arrivals(("lyon", 0)))
    attempt = found["a0"]
    assert attempt["confirm"]["due_ns"] == attempt["answered_ns"]
    assert attempt["confirm"]["outcome"] == "rejected"
    assert attempt["receipt_id"] is None


async def test_a_policy_that_does_not_hold_is_not_confirmed() -> None:
    async def hold(request: web.Request) -> web.Response:
        return answer(201, "held", claim_id="c")

    async with serving(hold) as url:
        _, found = await run(load({"lyon": url}), arrivals(("lyon", 0)))
    assert (found["a0"]["outcome"], found["a0"]["confirm"]) == ("held", None)


async def test_told_to_stop_it_records_what_is_in_flight_and_sends_no_more() -> None:
    stop = asyncio.Event()

    async def stop_at_the_second(request: web.Request) -> web.Response:
        if (await request.json())["buyer"] == "b0":
            return confirmed()
        stop.set()
        return await _never(request)

    async with serving(stop_at_the_second) as url:
        due = [("lyon", 0), ("lyon", 50 * MS), ("lyon", 3_600 * S)]
        summary, found = await run(load({"lyon": url}), arrivals(*due), stop)
    assert summary == Summary(attempts=2, unsent=1, interrupted=True)
    assert found["a0"]["outcome"] == "confirmed"
    assert (found["a1"]["outcome"], found["a1"]["problem"]) == ("failed", "interrupted")


async def test_when_it_is_enough_nobody_new_comes_and_who_was_sent_gets_an_answer() -> None:
    enough = asyncio.Event()

    async def hold(request: web.Request) -> web.Response:
        enough.set()
        return answer(201, "held", claim_id="c")

    async def confirm(request: web.Request) -> web.Response:
        return answer(200, "confirmed", claim_id="c", receipt_id="r")

    async with serving(hold, confirm) as url:
        due = arrivals(("lyon", 0), ("lyon", 3_600 * S), confirm_delay_ns=100 * MS)
        summary, found = await run(load({"lyon": url}, holds=True), due, enough=enough)
    assert summary == Summary(attempts=1, unsent=1, interrupted=False)
    assert found["a0"]["confirm"]["outcome"] == "confirmed"


async def test_told_to_stop_while_holding_it_says_that_the_confirmation_was_cut() -> None:
    stop = asyncio.Event()

    async def hold(request: web.Request) -> web.Response:
        asyncio.get_running_loop().call_later(0.05, stop.set)
        return answer(201, "held", claim_id="c")

    async with serving(hold) as url:
        soon = arrivals(("lyon", 0), confirm_delay_ns=3_600 * S)
        _, found = await run(load({"lyon": url}, holds=True), soon, stop)
    attempt = found["a0"]
    assert (attempt["outcome"], attempt["problem"]) == ("held", "confirm: interrupted")
    assert attempt["confirm"]["outcome"] == "failed"
    assert attempt["confirm"]["sent_ns"] is None


@pytest.mark.parametrize(
    ("status", "document", "outcome", "problem"),
    [
        (201, {"decision": "confirmed"}, "confirmed", None),
        (200, {"decision": "held"}, "held", None),
        (409, {"decision": "rejected", "title": "Seat taken"}, "rejected", None),
        (409, {"title": "Key used twice"}, "failed", "HTTP 409: Key used twice"),
        (503, {"title": "No", "detail": "no database"}, "failed", "HTTP 503: no database"),
        (201, {"decision": "rejected"}, "failed", "HTTP 201: an answer that decides nothing"),
        (500, {}, "failed", "HTTP 500: an answer that decides nothing"),
    ],
)
def test_status_and_decision_have_to_agree(
    status: int, document: Document, outcome: str, problem: str | None
) -> None:
    found = read_reservation(9, status, document)
    assert (found.outcome, found.problem) == (outcome, problem)
    assert (found.answered_ns, found.http_status) == (9, status)


@pytest.mark.parametrize(
    ("status", "document", "outcome"),
    [
        (200, {"receipt_id": "r"}, "confirmed"),
        (200, {}, "failed"),
        (409, {"decision": "expired"}, "rejected"),
        (404, {"title": "no such claim"}, "failed"),
    ],
)
def test_a_confirmation_is_a_receipt_or_a_loss(
    status: int, document: Document, outcome: str
) -> None:
    assert read_confirmation(9, status, document).outcome == outcome


def test_an_answer_that_is_not_json_decides_nothing() -> None:
    async def odd(request: web.Request) -> web.Response:
        return web.Response(status=502, text="<html>")

    async def main() -> Document:
        async with serving(odd) as url:
            _, found = await run(load({"lyon": url}), arrivals(("lyon", 0)))
        return found["a0"]

    attempt = asyncio.run(main())
    assert attempt["problem"] == "HTTP 502: an answer that decides nothing"
    assert attempt["answered_ns"] is not None


def program(tmp_path: Path, url: str, duration_ns: int) -> subprocess.Popen[str]:
    """`ntplab-buyers` as a process of its own, 50 arrivals a second."""
    document = {
        "phase": "p",
        "seed": 1,
        "start_lab_ns": CLOCK.now_ns(),
        "duration_ns": duration_ns,
        "servers": {"lyon": url},
        "policy_holds": False,
        "timeout_ns": 60 * S,
        "patterns": [
            {
                "kind": "hot-spot",
                "rate_hz": 50,
                "seats": 10,
                "hot_seats": 2,
                "hot_share": 0.5,
                "first_seat": 0,
                "arrival": "uniform",
            }
        ],
    }
    path = tmp_path / "load.json"
    path.write_text(json.dumps(document))
    environment = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY / "images/buyers"),
        "NTPLAB_ANCHOR_NS": str(ANCHOR_NS),
    }
    return subprocess.Popen(
        [sys.executable, "-m", "buyers", str(path)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


async def finished(process: subprocess.Popen[str]) -> tuple[list[Document], str]:
    out, err = await asyncio.to_thread(process.communicate, timeout=60)
    return [json.loads(line) for line in out.splitlines()], err


async def test_the_program_prints_load_attempts_done(tmp_path: Path) -> None:
    async with serving(_confirm_at_once) as url:
        process = program(tmp_path, url, S // 2)
        printed, _ = await finished(process)
    assert process.returncode == 0
    assert [document["t"] for document in printed] == ["load", *["attempt"] * 25, "done"]
    assert printed[0]["arrivals"] == printed[-1]["attempts"] == 25


async def test_the_program_told_to_stop_records_everything_that_was_sent(tmp_path: Path) -> None:
    asked: set[str] = set()
    ten_asked = asyncio.Event()

    async def stuck(request: web.Request) -> web.Response:
        asked.add(request.headers["Idempotency-Key"])
        if len(asked) == 10:
            ten_asked.set()
        return await _never(request)

    async with serving(stuck) as url:
        process = program(tmp_path, url, 3_600 * S)
        await asyncio.wait_for(ten_asked.wait(), 60)
        process.send_signal(signal.SIGTERM)
        told = time.monotonic()
        printed, _ = await finished(process)
        took_s = time.monotonic() - told
    attempts = [document for document in printed if document["t"] == "attempt"]
    ids = [attempt["attempt_id"] for attempt in attempts]
    assert len(ids) == len(set(ids))
    assert asked <= set(ids)
    assert {a["problem"] for a in attempts} == {"interrupted"}
    assert printed[-1] == {
        "t": "done",
        "attempts": len(ids),
        "unsent": 180_000 - len(ids),
        "interrupted": True,
    }
    assert process.returncode == 143
    assert took_s < 30


def test_the_program_says_what_is_wrong_with_its_load(tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    path.write_text('{"phase": 1}')
    environment = {"PYTHONPATH": str(REPOSITORY / "images/buyers"), "NTPLAB_ANCHOR_NS": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "buyers", str(path)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"{path}: phase: expected a string" in done.stderr
    assert f"{path}: seed: missing" in done.stderr
    assert done.stdout == ""
