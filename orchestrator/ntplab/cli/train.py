"""`train ...`: use a running train system by hand, from the office's tickets to snapshots.

Thin over `ntplab-train ask`, which runs on the node in question; `train_asking.py` takes it there.
The other verbs are in the files beside this one.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from . import train_faults, train_link, train_load, train_requests, train_snapshot, train_tickets
from .options import Json, LabName
from .output import out
from .train_asking import answer, ask_all, train_lab

NOT_RUNNING = ("not running", "?", "?", "?", "?", "?", "?")

app = typer.Typer(help="Use a running train system by hand.")


@app.command("status")
def status(
    node: Annotated[
        str | None, typer.Argument(metavar="NODE", help="Everything about one node.")
    ] = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """How every node is, or all about one."""
    here = train_lab(lab)
    if node is not None:
        answer(here, here.node(node), ["status"], as_json=json)
        return
    running = [name for name in here.nodes if here.is_running(name)]
    found = ask_all(here, running, ["status"])
    if json:
        out.json({"schema": 1, "lab": here.name, "office": here.office, "nodes": found})
        return
    out.table(
        ["node", "role", "tickets", "request", "lamport", "epoch", "life", "generation"],
        [_row(name, found[name]) if name in found else (name, *NOT_RUNNING) for name in here.nodes],
    )


def _row(name: str, told: dict[str, Any]) -> tuple[str, ...]:
    client = told.get("client")
    if client is None:
        tickets = ", ".join(f"{n} {state}" for state, n in told["tickets"].items()) or "none"
        request = "-"
    else:
        tickets = f"{len(client['owned'])} owned"
        request = f"{client['request']} {client['stage']}"
    counters = [str(told[key]) for key in ("lamport", "epoch", "incarnation", "generation")]
    return (name, "client" if client else "office", tickets, request, *counters)


for verbs in (train_tickets, train_requests):
    app.registered_commands += verbs.app.registered_commands
app.add_typer(train_snapshot.app, name="snapshot")
for verbs in (train_link, train_faults):
    app.registered_commands += verbs.app.registered_commands
app.add_typer(train_load.app, name="load")
