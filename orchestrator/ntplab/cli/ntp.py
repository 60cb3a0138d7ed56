"""`ntp off|on|status`: switch NTP of a running lab by hand."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from ..errors import UsageError
from ..faults import NTP_METHODS, ntp_state, switch_ntp
from ..faults.handle import each
from .options import Json, LabName, connect, lab_handle, pick_lab, servers_of
from .output import out

app = typer.Typer(help="Switch NTP of a running lab off and on, and see which it is.")

Servers = Annotated[
    list[str] | None, typer.Argument(metavar="SERVER", help="Which servers; all by default.")
]
Method = Annotated[
    str,
    typer.Option(
        metavar="METHOD",
        help="daemon (stop the daemon), network (cut the time network), sources (chrony only).",
        autocompletion=lambda: list(NTP_METHODS),
    ),
]


@app.command("off")
def off(servers: Servers = None, method: Method = "daemon", lab: LabName = None) -> None:
    """Switch NTP off, and see that it is off."""
    _switch("off", servers, method, lab)


@app.command("on")
def on(servers: Servers = None, method: Method = "daemon", lab: LabName = None) -> None:
    """Switch NTP on, and see that it is on."""
    _switch("on", servers, method, lab)


@app.command("status")
def status(servers: Servers = None, lab: LabName = None, json: Json = False) -> None:
    """Which servers NTP steers now, and if not, why."""
    driver = connect()
    handle = lab_handle(driver, pick_lab(driver, lab))
    states = each(servers_of(driver, handle.lab, servers), lambda node: ntp_state(handle, node))
    if json:
        out.json(
            {"schema": 1, "lab": handle.lab, "ntp": [asdict(s) | {"on": s.on} for s in states]}
        )
        return
    out.table(
        ["server", "ntp", "why"],
        [(s.node, "on" if s.on else "off", s.why_off()) for s in states],
    )


def _switch(state: str, servers: list[str] | None, method: str, lab: str | None) -> None:
    if method not in NTP_METHODS:
        raise UsageError(
            f"no method {method!r} to switch NTP", hint=f"there are: {', '.join(NTP_METHODS)}"
        )
    driver = connect()
    handle = lab_handle(driver, pick_lab(driver, lab))
    nodes = servers_of(driver, handle.lab, servers)
    each(nodes, lambda node: switch_ntp(handle, node, state, method))
    out.step(f"NTP {state} ({method}), seen on {', '.join(nodes)}")
    out.next("./ntplab clock show")
