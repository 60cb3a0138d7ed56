"""`train tickets, create, update, delete, reclaim, import, export`: at the office; for train.py."""

from __future__ import annotations

import sys
from json import loads as parse
from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from .options import Json, LabName
from .output import out
from .train_asking import answer, ask, show, train_lab
from .train_options import Departure, From, Price, Ticket, To, Zone, options

app = typer.Typer()


@app.command("tickets")
def tickets(
    node: Annotated[
        str | None, typer.Argument(metavar="NODE", help="A client's; the office's by default.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="STATE",
            help="Only those: available, held, transferred, deleted (sold), removed.",
        ),
    ] = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """The office's tickets, or those that a client owns."""
    here = train_lab(lab)
    asked = here.office if node is None else here.node(node)
    answer(here, asked, ["tickets", *options(state=state)], as_json=json)


@app.command("create")
def create(
    from_: Annotated[str, typer.Option("--from", metavar="PLACE", help="Place of departure.")],
    to: Annotated[str, typer.Option("--to", metavar="PLACE", help="Destination.")],
    departure: Annotated[
        str, typer.Option("--departure", metavar="TIME", help="There: 2027-12-20T08:30.")
    ],
    zone: Annotated[str, typer.Option("--zone", metavar="ZONE", help="As Europe/Paris.")],
    price: Price = None,
    seats: Annotated[int, typer.Option(metavar="N", help="How many tickets.")] = 1,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """New tickets at the office, for sale at once."""
    words = options(from_=from_, to=to, departure=departure, zone=zone, price=price, seats=seats)
    here = train_lab(lab)
    answer(here, here.office, ["create", *words], as_json=json)
    out.next("./ntplab train tickets --state available")


@app.command("update")
def update(
    ticket: Ticket,
    from_: From = None,
    to: To = None,
    departure: Departure = None,
    zone: Zone = None,
    price: Price = None,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Change an available ticket's journey or price."""
    words = options(from_=from_, to=to, departure=departure, zone=zone, price=price)
    here = train_lab(lab)
    answer(here, here.office, ["update", str(ticket), *words], as_json=json)
    out.next("./ntplab train tickets")


@app.command("delete")
def delete(ticket: Ticket, lab: LabName = None, json: Json = False) -> None:
    """Take an available ticket off sale.

    Its number is never used again.
    """
    here = train_lab(lab)
    answer(here, here.office, ["delete", str(ticket)], as_json=json)
    out.next("./ntplab train tickets")


@app.command("reclaim")
def reclaim(
    ticket: Ticket,
    unsafe: Annotated[
        bool, typer.Option("--unsafe", help="Needed: you know that the client is dead for good.")
    ] = False,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Sell a ticket again whose client is dead for good. UNSAFE.

    Only one that was transferred and not acknowledged.
    If that client ever comes back, two own the ticket; no clock and no protocol can tell.
    """
    if not unsafe:
        raise UsageError(
            f"to reclaim ticket {ticket} is unsafe: if its client ever comes back, two own it",
            hint="if that client is dead for good: --unsafe",
        )
    here = train_lab(lab)
    answer(here, here.office, ["reclaim", str(ticket), "--unsafe"], as_json=json)
    out.next("./ntplab train tickets")


@app.command("import")
def import_(
    file: Annotated[str, typer.Argument(metavar="FILE", help="A timetable as CSV; - is stdin.")],
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Tickets from a timetable as CSV, all of them or none.

    images/train/examples has one.
    """
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    here = train_lab(lab)
    words = ["import", "-"]
    if json:
        told = ask(here, here.office, ["--json", *words], stdin=content)
        out.json({"schema": 1, "lab": here.name, "node": here.office, "answer": parse(told)})
    else:
        show(ask(here, here.office, words, stdin=content))
    out.next("./ntplab train tickets")


@app.command("export")
def export(
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where to; - is stdout.")] = "-",
    lab: LabName = None,
) -> None:
    """The office's timetable as CSV, as `import` takes it."""
    here = train_lab(lab)
    text = ask(here, here.office, ["export"])
    if file == "-":
        sys.stdout.write(text)
        return
    try:
        Path(file).write_text(text)
    except OSError as error:
        raise UsageError(f"{file}: {error.strerror}") from error
    out.step(f"written: {file}")
