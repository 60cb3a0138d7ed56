"""`doctor`: can this machine run the lab, and if not, what is missing?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated

import typer

from ..doctor import examine
from ..doctor.checks import Check
from ..errors import ExitCode
from ..hosted.doctor import HostCheck
from ..hosted.doctor import examine as examine_host
from .options import Json, connect
from .output import out

STYLE = {"ok": "green", "warn": "yellow", "fail": "red"}


def doctor(
    json: Json = False,
    host: Annotated[
        bool, typer.Option("--host", help="Instead: is the deployment on this host well?")
    ] = False,
) -> None:
    """Find out whether this machine can run the lab.

    Engine, rights, kernel, ports, disk, images: ok, warn or fail each, with a hint. Exits with 5
    if anything fails. With --host, as root on a host that `deploy` made: services, clock, disk,
    memory, stack, ports, page, certificate, backup.
    """
    checks: Sequence[Check | HostCheck] = examine_host() if host else list(examine(connect))
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
