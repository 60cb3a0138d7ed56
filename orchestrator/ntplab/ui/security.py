"""Who may look, who may change things, and what the page may load.

On 127.0.0.1 everybody of this machine may look. Anywhere else a token is needed for everything,
unless the page is public: then everybody may look, at the names that are the page's, and nobody is
given the token.
Every changing call needs the token and must come from the page itself: a cookie that scripts
cannot read and other sites cannot send, the `Origin` header, and a `Host` that is ours (a name
that somebody points at 127.0.0.1 is not).
"""

from __future__ import annotations

import hmac
import ipaddress
import re
from collections.abc import Collection, Iterable
from http.cookies import SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self'; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
READING = ("GET", "HEAD")
MAY_CHANGE = "ntplab.may_change"
"""In a request's state: whether whoever asks may change things."""
LOOPBACK_NAMES = ("localhost", "127.0.0.1", "[::1]")


def is_loopback(host: str) -> bool:
    """Whether an address to bind to can only be reached from this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Guard:
    """ASGI middleware around the whole application."""

    def __init__(
        self, app: ASGIApp, token: str, host: str, port: int, public: Collection[str] = ()
    ) -> None:
        """`public`: the host names at which everybody may look; none: the page is not public."""
        self._app, self._token = app, token
        self._public = frozenset(name.lower() for name in public)
        self._gives_token = is_loopback(host) and not public
        self._open = is_loopback(host) or bool(public)
        self._cookie = f"ntplab-{port}"
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        answer = self._refusal(scope, headers) or self._welcome(scope)
        await (answer or self._app)(scope, receive, self._adorned(scope, headers, send))

    def _refusal(self, scope: Scope, headers: Headers) -> Response | None:
        """What keeps this request out, if anything does."""
        if self._open and not self._host_is_ours(headers.get("host", "")):
            return _no(421, "this is not the name of this page", "open it at 127.0.0.1")
        known = any(_same(one, self._token) for one in self._given(scope, headers))
        scope.setdefault("state", {})[MAY_CHANGE] = known or self._gives_token
        if scope["method"] in READING:
            if self._open or known:
                return None
            return _no(401, "a token is needed", "open the address that `./ntplab ui` printed")
        if not known:
            return _no(401, "a token is needed to change anything", self._how())
        if not self._same_origin(scope, headers):
            return _no(403, "this call comes from another site", "use the page itself")
        return None

    def _welcome(self, scope: Scope) -> Response | None:
        """Whoever comes with the token in the address gets it out of there at once."""
        if scope["path"] == "/" and b"token=" in scope.get("query_string", b""):
            return RedirectResponse("/", status_code=303)
        return None

    def _given(self, scope: Scope, headers: Headers) -> Iterable[str]:
        """Every token that a request shows: header, cookie, and for the first visit the address."""
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            yield bearer
        cookie = _cookies(headers.get("cookie", "")).get(self._cookie)
        if cookie is not None:
            yield cookie
        if scope["path"] == "/":
            yield from parse_qs(scope.get("query_string", b"").decode("latin-1")).get("token", [])

    def _how(self) -> str:
        if self._public:
            return "this page is for looking; its owner has the token"
        return "open the page anew"

    def _same_origin(self, scope: Scope, headers: Headers) -> bool:
        """A browser always says where a changing call comes from; a program says a bearer token."""
        origin = headers.get("origin")
        if origin is None:
            return headers.get("authorization") is not None
        return origin == f"{scope.get('scheme', 'http')}://{headers.get('host', '')}"

    def _host_is_ours(self, host: str) -> bool:
        if self._public:
            return re.sub(r":\d+$", "", host).lower() in self._public
        return any(host in (name, f"{name}:{self._port}") for name in LOOPBACK_NAMES)

    def _adorned(self, scope: Scope, headers: Headers, send: Send) -> Send:
        """Every answer carries the security headers; the page itself also the cookie."""
        gets_cookie = scope["path"] == "/" and (
            self._gives_token or any(_same(one, self._token) for one in self._given(scope, headers))
        )

        async def adorned(message: Message) -> None:
            if message["type"] == "http.response.start":
                out = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    out[name] = value
                if gets_cookie and message["status"] < 400:
                    flags = "HttpOnly; SameSite=Strict; Path=/"
                    if scope.get("scheme") == "https":
                        flags += "; Secure"
                    out.append("Set-Cookie", f"{self._cookie}={self._token}; {flags}")
            await send(message)

        return adorned


def _same(one: str, other: str) -> bool:
    """In constant time; compare_digest takes only ASCII as text."""
    return hmac.compare_digest(one.encode(), other.encode())


def _cookies(header: str) -> dict[str, str]:
    jar: SimpleCookie = SimpleCookie()
    try:
        jar.load(header)
    except Exception:  # a malformed header is no cookie
        return {}
    return {name: morsel.value for name, morsel in jar.items()}


def _no(status: int, title: str, hint: str) -> JSONResponse:
    return JSONResponse({"title": title, "hint": hint}, status_code=status)
