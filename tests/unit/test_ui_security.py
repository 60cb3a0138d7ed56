"""Who may look and who may change things; what the page may load."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from starlette.types import ASGIApp

from ntplab.driver.fake import FakeDriver
from ntplab.plan import Plan
from ntplab.ui.desk import Desk
from ntplab.ui.security import is_loopback
from ntplab.ui.server import STATIC, make_app

from .asgi import Reply, call

TOKEN = "a-token-of-24-characters"
HOME = {"Host": "127.0.0.1:8420"}
COOKIE = {"Cookie": f"ntplab-8420={TOKEN}"}
ORIGIN = {"Origin": "http://127.0.0.1:8420"}
AWAY = {"Host": "lab.example:8420"}


def no_plan(file: Path) -> Plan:
    raise AssertionError(f"nobody asked for {file}")


def app(tmp_path: Path, host: str = "127.0.0.1") -> ASGIApp:
    desk = Desk(tmp_path, tmp_path, FakeDriver, no_plan, lambda _plan: FakeDriver())
    return make_app(desk, TOKEN, host, 8420)


async def close(site: ASGIApp, headers: Mapping[str, str]) -> Reply:
    """A changing call that always works, if it is let in."""
    return await call(site, "POST", "/api/close", b"", headers)


async def test_whoever_is_on_this_machine_may_look(tmp_path: Path) -> None:
    reply = await call(app(tmp_path), "GET", "/", headers=HOME)
    assert reply.status == 200
    assert reply.headers["set-cookie"].startswith(f"ntplab-8420={TOKEN}; HttpOnly; SameSite=Strict")


async def test_the_page_may_load_only_what_is_its_own(tmp_path: Path) -> None:
    for path in ("/", "/static/js/main.js", "/api/state", "/nothing"):
        reply = await call(app(tmp_path), "GET", path, headers=HOME)
        policy = reply.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({**HOME, **COOKIE, **ORIGIN}, 204),
        ({**HOME, "Authorization": f"Bearer {TOKEN}"}, 204),
        ({**HOME, **ORIGIN}, 401),
        ({**HOME, **ORIGIN, "Cookie": "ntplab-8420=wrong"}, 401),
        ({**HOME, **ORIGIN, "Cookie": "ntplab-8420=\xe9"}, 401),
        ({**HOME, **COOKIE}, 403),
        ({**HOME, **COOKIE, "Origin": "http://evil.example"}, 403),
        ({**HOME, **COOKIE, "Origin": "http://127.0.0.1:9999"}, 403),
        ({**HOME, **COOKIE, "Origin": "null"}, 403),
        ({"Host": "evil.example:8420", **COOKIE, "Origin": "http://evil.example:8420"}, 421),
    ],
)
async def test_changing_needs_token_and_origin(
    tmp_path: Path, headers: dict[str, str], status: int
) -> None:
    assert (await close(app(tmp_path), headers)).status == status


async def test_a_name_that_points_here_is_not_ours(tmp_path: Path) -> None:
    """DNS rebinding: a stranger's name that resolves to 127.0.0.1."""
    reply = await call(app(tmp_path), "GET", "/api/state", headers={"Host": "evil.example"})
    assert reply.status == 421


async def test_anywhere_else_everything_needs_the_token(tmp_path: Path) -> None:
    site = app(tmp_path, "0.0.0.0")
    for path in ("/", "/static/js/main.js", "/api/state", "/api/stream"):
        assert (await call(site, "GET", path, headers=AWAY)).status == 401
    assert (await call(site, "GET", "/?token=wrong", headers=AWAY)).status == 401
    assert (await call(site, "GET", f"/api/state?token={TOKEN}", headers=AWAY)).status == 401
    welcome = await call(site, "GET", f"/?token={TOKEN}", headers=AWAY)
    assert (welcome.status, welcome.headers["location"]) == (303, "/")
    assert TOKEN in welcome.headers["set-cookie"]
    assert (await call(site, "GET", "/api/state", headers={**AWAY, **COOKIE})).status == 200
    origin = {"Origin": "http://lab.example:8420"}
    assert (await close(site, {**AWAY, **COOKIE, **origin})).status == 204
    assert (await close(site, {**AWAY, **COOKIE, **ORIGIN})).status == 403


PUBLIC = {"Host": "demo.example:8443"}


async def test_a_public_page_is_for_looking(tmp_path: Path) -> None:
    """Everybody sees it, at its own names; nobody is given the token; changing needs it."""
    desk = Desk(tmp_path, tmp_path, FakeDriver, no_plan, lambda _plan: FakeDriver())
    site = make_app(desk, TOKEN, "0.0.0.0", 8420, public=("demo.example",))
    page = await call(site, "GET", "/", headers=PUBLIC)
    assert page.status == 200
    assert "set-cookie" not in page.headers
    assert (await call(site, "GET", "/", headers=AWAY)).status == 421
    assert (await call(site, "GET", "/", headers={"Host": "demo.example.evil"})).status == 421
    access = await call(site, "GET", "/api/access", headers=PUBLIC)
    assert access.document == {"may_change": False}
    access = await call(site, "GET", "/api/access", headers={**PUBLIC, **COOKIE})
    assert access.document == {"may_change": True}
    origin = {"Origin": "http://demo.example:8443"}
    assert (await close(site, {**PUBLIC, **origin})).status == 401
    assert (await close(site, {**PUBLIC, **COOKIE, **origin})).status == 204
    assert (await close(site, {**PUBLIC, **COOKIE, **ORIGIN})).status == 403
    wrong = await call(site, "GET", "/?token=wrong", headers=PUBLIC)
    assert "set-cookie" not in wrong.headers
    welcome = await call(site, "GET", f"/?token={TOKEN}", headers=PUBLIC)
    assert TOKEN in welcome.headers["set-cookie"]


async def test_at_home_everybody_may_change(tmp_path: Path) -> None:
    access = await call(app(tmp_path), "GET", "/api/access", headers=HOME)
    assert access.document == {"may_change": True}


async def test_there_is_room_for_so_many(tmp_path: Path) -> None:
    desk = Desk(tmp_path, tmp_path, FakeDriver, no_plan, lambda _plan: FakeDriver())
    site = make_app(desk, TOKEN, "127.0.0.1", 8420, streams_max=0)
    reply = await call(site, "GET", "/api/stream", headers=HOME)
    assert (reply.status, reply.headers["retry-after"]) == (503, "20")


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("127.8.8.8", True),
     ("0.0.0.0", False), ("::", False), ("192.0.2.1", False), ("lab.example", False)],
)  # fmt: skip
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


async def test_what_is_refused_says_why(tmp_path: Path) -> None:
    headers = {**HOME, **COOKIE, **ORIGIN, "Content-Type": "application/json"}
    reply = await call(app(tmp_path), "POST", "/api/ntp", {"state": "off"}, headers)
    assert reply.status == 400
    assert reply.document["title"] == "there is no lab to act on"
    assert reply.document["hint"]
    reply = await call(app(tmp_path), "POST", "/api/run/start", {"name": "../../etc"}, headers)
    assert reply.status == 400
    reply = await call(app(tmp_path), "POST", "/api/ntp", {"state": "sideways"}, headers)
    assert reply.status == 422
    assert reply.document["title"] == "state: Input should be 'on' or 'off'"


def test_nothing_of_the_page_is_from_elsewhere() -> None:
    """It works offline: no address of another site in anything that the browser loads."""
    for path in STATIC.rglob("*"):
        if path.suffix in (".html", ".css", ".js") and "vendor" not in path.parts:
            text = path.read_text().replace("http://www.w3.org/2000/svg", "")
            assert "http:" not in text, path
            assert "https:" not in text, path
            assert "innerHTML" not in text, path
