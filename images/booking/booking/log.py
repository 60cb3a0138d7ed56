"""Log lines as JSON on stderr, one object each: for `docker logs` and for whoever greps them."""

from __future__ import annotations

import json
import logging
import sys

from booking.clocks import iso, read

_PLAIN = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "color_message", "taskName"}


class JsonFormatter(logging.Formatter):
    """`time` is this server's wall clock, so it may be wrong; `raw_ns` orders lines for certain."""

    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server

    def format(self, record: logging.LogRecord) -> str:
        now = read()
        line: dict[str, object] = {
            "time": iso(now.wall_ns),
            "raw_ns": now.raw_ns,
            "level": record.levelname.lower(),
            "server": self._server,
            "logger": record.name,
            "message": record.getMessage(),
        }
        line.update((k, v) for k, v in vars(record).items() if k not in _PLAIN)
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(server: str, level: str) -> None:
    """Send everything, uvicorn's lines included, to stderr as JSON."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(server))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
