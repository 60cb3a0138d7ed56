"""`train load ...`: the clients' own load; for train.py."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, LabName
from .output import out
from .train_asking import ask_all, train_lab
from .train_options import Day, From, To, options

app = typer.Typer(help="The clients' own load: start, stop, status.")


Whom = Annotated[str, typer.Argument(metavar="CLIENT", help="Which client; all by default.")]


@app.command("start")
def start(
    client: Whom = "all",
    think: Annotated[str, typer.Option(metavar="TIME", help="Mean time between requests.")] = "1s",
    requests: Annotated[int | None, typer.Option(metavar="N", help="End after so many.")] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of all draws.")] = 1,
    from_: From = None,
    to: To = None,
    day: Day = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Clients ask for tickets by themselves, one after the other."""
    words = options(think=think, requests=requests, seed=seed, from_=from_, to=to, day=day)
    _load(client, ["start", *words], lab, json)
    out.next("./ntplab train status")


@app.command("stop")
def stop(client: Whom = "all", lab: LabName = None, json: Json = False) -> None:
    """No new requests; those under way go on."""
    _load(client, ["stop"], lab, json)
    out.next("./ntplab train status")


@app.command("status")
def load_status(client: Whom = "all", lab: LabName = None, json: Json = False) -> None:
    """Which loads run, and how many requests each made."""
    _load(client, ["status"], lab, json)


def _load(client: str, words: list[str], lab: str | None, json: bool) -> None:
    here = train_lab(lab)
    found = ask_all(here, here.several(client, here.clients), ["load", *words])
    if json:
        out.json({"schema": 1, "lab": here.name, "load": found})
        return
    out.table(
        ["client", "load", "requests"],
        [(n, "runs" if t["running"] else "-", str(t["made"])) for n, t in found.items()],
    )
