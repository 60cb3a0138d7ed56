"""`python3 -m booking.reconfigure '{"policy": "lease", "params": {"ttl_ns": 2000000000}}'`

Run inside a server's container by whoever runs the lab (`docker exec`): the running app goes on
with another policy, or with the same one begun anew, without a restart of process or container.
Writes the file of changes, tells the supervisor to send the app SIGHUP, and waits until the app
is ready under it. Not a call of the HTTP API: whoever can reach the port may book, no more.

What the databases hold is not touched; empty them before, or the old records count as taken.

Prints what `/readyz` says at the end. Exit codes: 0 in force, 1 refused or not ready in time (the
file is then as it was before), 2 usage. Standard library only: it starts in 50 ms.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any

CHANGE_FILE = Path("/etc/ntplab/booking.json")  # config.CHANGE_FILE; config imports a lot
SERVICE = "/run/service/app"
WITHIN_S = 20.0
POLL_S = 0.02


def read_change(text: str) -> dict[str, Any]:
    """`policy` and `params` of a change. Raises ValueError with what is wrong."""
    change = json.loads(text)
    if not isinstance(change, dict) or not isinstance(change.get("policy"), str):
        raise ValueError("a change is a JSON object with a policy and its params")
    if unknown := change.keys() - {"policy", "params"}:
        raise ValueError(f"a change has no {', '.join(sorted(unknown))}")
    if not isinstance(params := change.get("params", {}), dict):
        raise ValueError("params is a JSON object")
    return {"policy": change["policy"], "params": params}


def next_generation(file_before: str | None, health_before: dict[str, Any]) -> int:
    """A number above the one in the file of changes and the one in force."""
    written = 0 if file_before is None else int(json.loads(file_before)["generation"])
    return max(written, int(health_before.get("generation", 0))) + 1


def put(path: Path, text: str | None) -> None:
    """Make `path` hold `text`, whole at every instant; None removes it."""
    if text is None:
        path.unlink(missing_ok=True)
        return
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.rename(path)


def in_force(health: dict[str, Any], generation: int) -> bool:
    """Whether the app books under this change."""
    return health.get("generation") == generation and health.get("status") == "ok"


def refused(health: dict[str, Any], before: dict[str, Any]) -> bool:
    """Whether the app has refused a change since it said `before`."""
    return bool(health.get("refused")) and health.get("reloads") != before.get("reloads")


def _health(port: int) -> dict[str, Any]:
    connection = HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    except (OSError, HTTPException, ValueError) as error:
        return {"status": "not ready", "reason": f"{type(error).__name__}: {error}"}
    finally:
        connection.close()
    return answer


def main(arguments: list[str]) -> int:
    """Change the policy; gives back the exit code."""
    try:
        (text,) = arguments
        change = read_change(text)
    except ValueError as error:
        print(f"booking.reconfigure: {error}", file=sys.stderr)
        print(f"usage: {(__doc__ or '').splitlines()[0].strip('`')}", file=sys.stderr)
        return 2
    health = change_policy(change, int(os.environ.get("NTPLAB_PORT") or 8000))
    print(json.dumps(health))
    return 0 if health["status"] == "ok" and not health["refused"] else 1


def change_policy(change: dict[str, Any], port: int) -> dict[str, Any]:
    """Have the app take `change`; what `/readyz` says when it did, refused, or took too long."""
    file_before = CHANGE_FILE.read_text(encoding="utf-8") if CHANGE_FILE.exists() else None
    before = _health(port)
    generation = next_generation(file_before, before)
    put(CHANGE_FILE, json.dumps({"generation": generation, **change}))
    subprocess.run(["s6-svc", "-h", SERVICE], check=True)
    deadline = time.monotonic() + WITHIN_S
    while time.monotonic() < deadline:
        health = _health(port)
        if in_force(health, generation):
            return health
        if refused(health, before):
            break
        time.sleep(POLL_S)
    put(CHANGE_FILE, file_before)
    late = f"not in force within {WITHIN_S:g} s: {health.get('reason')}"
    return {**health, "status": "not ready", "refused": health.get("refused") or late}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
