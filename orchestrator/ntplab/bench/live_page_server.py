"""The program that live_page.py looks at: the page as `./ntplab ui` serves it.

    python -m ntplab.bench.live_page_server RUN

It watches RUN like any run that is going on. The page gets one script more, `probe.js`: it says
what has been drawn, and when. Prints its address, then a JSON line for every word of the probe.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import socket
import sys
from pathlib import Path
from typing import NoReturn

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, Response

from ..errors import EngineError
from ..evidence import RunDirectory
from ..ui.desk import Desk
from ..ui.security import Guard
from ..ui.server import STATIC, make_app

PROBE = """
const drawn = new Set();
const later = [];
// Looking at every frame of the screen would make the browser prepare every one.
new MutationObserver(() => {
  for (const item of document.querySelectorAll("#events li:nth-child(-n+9) .words")) {
    const words = item.textContent;
    if (words.startsWith("probe ") && !drawn.has(words)) {
      drawn.add(words);
      // This frame is painted when the next one is prepared.
      requestAnimationFrame(() => requestAnimationFrame(() =>
        later.push([words, performance.timeOrigin + performance.now()])));
    }
  }
}).observe(document.getElementById("events"), { childList: true });
setInterval(() => {
  if (!later.length) return;
  const headers = { "Content-Type": "application/json" };
  fetch("/probe", { method: "POST", headers, body: JSON.stringify(later.splice(0)) });
}, 500);
"""


def serve(run: RunDirectory) -> None:
    """Until the process is told to end."""
    desk = Desk(run.path.parents[1], run.path, _no_engine, _nothing, _nothing)
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    token = secrets.token_urlsafe(24)
    with contextlib.closing(desk):
        desk.watch(run)
        app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
        _add_probe(app)
        app.add_middleware(Guard, token=token, host="127.0.0.1", port=port)
        inner = make_app(desk, token, "127.0.0.1", port)
        app.router.lifespan_context = inner.router.lifespan_context
        app.mount("/", inner)
        print(f"http://127.0.0.1:{port}/", flush=True)
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])


def _add_probe(app: FastAPI) -> None:
    @app.get("/")
    def page() -> HTMLResponse:
        text = (STATIC / "index.html").read_text()
        return HTMLResponse(
            text.replace("</head>", '<script src="/probe.js" defer></script></head>')
        )

    @app.get("/probe.js")
    def script() -> Response:
        return Response(PROBE, media_type="text/javascript")

    @app.post("/probe", status_code=204)
    async def probe(request: Request) -> None:
        print(json.dumps(await request.json()), flush=True)


def _no_engine() -> NoReturn:
    raise EngineError("this page needs none")


def _nothing(*_: object) -> NoReturn:
    raise EngineError("nothing is started from this page")


if __name__ == "__main__":
    serve(RunDirectory(Path(sys.argv[1])))
