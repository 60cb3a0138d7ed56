"""`ui [RUN]`: the live page."""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn

from ..errors import NtplabError, UsageError
from ..paths import REPO_DIR
from ..planner import make_plan
from ..run import Heed
from ..ui.desk import Desk
from ..ui.security import is_loopback
from ..ui.server import make_app
from .loading import load, ready_driver
from .options import LabName, connect
from .output import out

SCENARIOS = REPO_DIR / "playbooks" / "scenarios"
TOKEN_MIN = 16
CLOSE_WITHIN_S = 3


def ui(
    run: Annotated[
        str | None,
        typer.Argument(metavar="RUN", help="A run to replay: its directory, id, or latest."),
    ] = None,
    lab: LabName = None,
    host: Annotated[
        str, typer.Option(metavar="ADDRESS", help="Where to listen; others need a token.")
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(metavar="PORT", min=0, max=65535, help="0 takes any free one.")
    ] = 8420,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            help="16 characters or more, better by its variable: command lines are seen by others.",
            show_default="a random one",
        ),
    ] = None,
    runs: Annotated[
        Path, typer.Option("--runs", metavar="DIR", help="Where run directories are.")
    ] = Path("runs"),
) -> None:
    """Open the live page: clocks, seats, and NTP's switch.

    Shows the lab that is up, a run that is going on, or RUN again, in any number of browsers. From
    the page, scenarios can be started, and clocks bent. Ctrl-C ends it; a lab stays up.
    """
    if token is not None and len(token) < TOKEN_MIN:
        raise UsageError("the token is too short", hint=f"{TOKEN_MIN} characters or more")
    key = token or secrets.token_urlsafe(24)
    listener = _listen(host, port)
    bound = listener.getsockname()[1]
    desk = Desk(
        runs,
        SCENARIOS,
        connect,
        lambda file: make_plan(load(file, None)),
        lambda p: ready_driver(p),
    )
    _heed_hang_up(signal.getsignal(signal.SIGTERM))
    with contextlib.ExitStack() as at_the_end:
        heed = Heed()
        at_the_end.callback(heed.again)
        at_the_end.callback(desk.close)
        at_the_end.callback(heed.not_now)
        _show(desk, run, lab)
        _say_where(host, bound, key)
        app = make_app(desk, key, host, bound, over=lambda: server.should_exit)
        config = uvicorn.Config(
            app, log_level="warning", lifespan="on", timeout_graceful_shutdown=CLOSE_WITHIN_S
        )
        server = uvicorn.Server(config)
        _heed_hang_up(server.handle_exit)
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


def _show(desk: Desk, run: str | None, lab: str | None) -> None:
    """What the page begins with. Without a run, and without an engine, with nothing."""
    if run is not None:
        desk.replay(run)
        return
    try:
        desk.look_around(lab)
    except NtplabError as error:
        if lab is not None:
            raise
        out.step(f"no lab is shown: {error.message}")


def _heed_hang_up(end: Any) -> None:
    """A terminal that is closed ends the page as Ctrl-C does, unless it was told to stay; `end` is
    a handler of signals."""
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, end)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise UsageError(
            f"{host}:{port}: {error.strerror or error}", hint="choose another --port, or 0 for any"
        ) from error


def _say_where(host: str, port: int, token: str) -> None:
    shown = f"[{host}]" if ":" in host else host
    if is_loopback(host):
        out.text(f"http://{shown}:{port}/")
    else:
        out.text(f"http://{shown}:{port}/?token={token}")
        out.step("whoever has this address can change the lab; it is not encrypted")
    out.step("Ctrl-C ends it; a lab stays up")
