"""`train consult, reserve, confirm, refuse, request`: what clients ask for; for train.py."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, LabName
from .output import out
from .train_asking import answer, train_lab
from .train_options import Client, Day, From, To, Wait, options

app = typer.Typer()


@app.command("consult")
def consult(
    client: Client,
    from_: From = None,
    to: To = None,
    day: Day = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """A client asks the office which tickets there are."""
    here = train_lab(lab)
    words = ["consult", *options(from_=from_, to=to, day=day)]
    answer(here, here.client(client), words, as_json=json)


@app.command("reserve")
def reserve(
    client: Client,
    from_: From = None,
    to: To = None,
    day: Day = None,
    ticket: Annotated[int | None, typer.Option(metavar="TICKET", help="This very one.")] = None,
    wait: Wait = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """A client asks for one ticket. Exits with 1 when the request ends without one."""
    here = train_lab(lab)
    words = ["reserve", *options(from_=from_, to=to, day=day, ticket=ticket, wait=wait)]
    answer(here, here.client(client), words, as_json=json)
    out.next(f"./ntplab train request {client}")


@app.command("confirm")
def confirm(client: Client, wait: Wait = None, lab: LabName = None, json: Json = False) -> None:
    """A client takes its offer.

    Where the scenario says `confirm: by-hand`; others do so by themselves.
    """
    here = train_lab(lab)
    answer(here, here.client(client), ["confirm", *options(wait=wait)], as_json=json)
    out.next(f"./ntplab train tickets {client}")


@app.command("refuse")
def refuse(client: Client, wait: Wait = None, lab: LabName = None, json: Json = False) -> None:
    """A client leaves its offer.

    Where the scenario says `confirm: by-hand`.
    """
    here = train_lab(lab)
    answer(here, here.client(client), ["refuse", *options(wait=wait)], as_json=json)
    out.next("./ntplab train tickets")


@app.command("request")
def request(
    client: Client,
    number: Annotated[
        int | None, typer.Argument(metavar="N", help="Which; the last by default.")
    ] = None,
    wait: Wait = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """How a client's request stands. Exits with 1 when it ended without a ticket."""
    here = train_lab(lab)
    which = [] if number is None else [str(number)]
    answer(here, here.client(client), ["request", *which, *options(wait=wait)], as_json=json)
