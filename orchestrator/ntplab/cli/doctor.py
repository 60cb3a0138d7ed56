"""`doctor`: can this machine run the lab, and if not, what is missing?"""

from __future__ import annotations

from dataclasses import asdict

import typer

from ..doctor import examine
from ..errors import ExitCode
from .options import Json, connect
from .output import out

STYLE = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(json: Json = False) -> None:
    """Find out whether this machine can run the lab.

    Engine, rights, kernel, ports, disk, images: ok, warn or fail each, with a hint. Exits with 5
    if anything fails.
    """
    checks = list(examine(connect))
    failed = any(check.status == "fail" for check in checks)
    if json:
        out.json({"schema": 1, "ok": not failed, "checks": [asdict(check) for check in checks]})
    else:
        for check in checks:
            out.data.print(f"[{STYLE[check.status]}]{check.status:4}[/] ", end="")
            out.text(f"{check.name}: {check.detail}")
            if check.hint and check.status != "ok":
                out.text(f"     hint: {check.hint}")
    raise typer.Exit(ExitCode.LAB_FAILED if failed else ExitCode.MET)
