"""`train ...`: use a running train system by hand, from the office's tickets to snapshots.

Thin over `ntplab-train ask`, which runs on the node in question; `train_asking.py` takes it there.
"""

from __future__ import annotations

import sys
from json import loads as parse
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import UsageError
from .options import Json, LabName
from .output import out
from .train_asking import TrainLab, answer, ask, ask_all, show, train_lab

app = typer.Typer(help="Use a running train system by hand.")
snapshot = typer.Typer(help="Snapshots of the whole system: take, list, show, load, reset.")
load = typer.Typer(help="The clients' own load: start, stop, status.")
app.add_typer(snapshot, name="snapshot")
app.add_typer(load, name="load")

Ticket = Annotated[int, typer.Argument(metavar="TICKET", help="The ticket's number.")]
Client = Annotated[str, typer.Argument(metavar="CLIENT", help="The client.")]
From = Annotated[str | None, typer.Option("--from", metavar="PLACE", help="Place of departure.")]
To = Annotated[str | None, typer.Option("--to", metavar="PLACE", help="Destination.")]
Day = Annotated[
    str | None, typer.Option("--day", metavar="DATE", help="Day of departure, there: 2027-12-20.")
]
Departure = Annotated[
    str | None, typer.Option("--departure", metavar="TIME", help="There: 2027-12-20T08:30.")
]
Zone = Annotated[
    str | None, typer.Option("--zone", metavar="ZONE", help="IANA time zone: Europe/Paris.")
]
Price = Annotated[str | None, typer.Option("--price", metavar="EUROS", help="As 29.90.")]
Wait = Annotated[
    str | None,
    typer.Option("--wait", metavar="TIME", help="Stay until the end is known, so long at most."),
]
Epoch = Annotated[int, typer.Argument(metavar="EPOCH", help="Which snapshot.")]


def options(**values: Any) -> list[str]:
    """The options that were given, as the node's program takes them."""
    words: list[str] = []
    for name, value in values.items():
        if value is not None:
            words += [f"--{name.strip('_')}={value}"]
    return words


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
    found = ask_all(here, here.nodes, ["status"])
    if json:
        out.json({"schema": 1, "lab": here.name, "office": here.office, "nodes": found})
        return
    out.table(
        ["node", "role", "tickets", "request", "lamport", "epoch", "life", "generation"],
        [_row(name, told) for name, told in found.items()],
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


# the office's tickets


@app.command("tickets")
def tickets(
    node: Annotated[
        str | None, typer.Argument(metavar="NODE", help="A client's; the office's by default.")
    ] = None,
    state: Annotated[
        str | None,
        typer.Option(metavar="STATE", help="available, held, transferred, deleted, removed."),
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


# a client's requests


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


# snapshots


@snapshot.command("take")
def take(
    wait: Annotated[str, typer.Option(metavar="TIME", help="How long it may take.")] = "30s",
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Take a snapshot while the system goes on.

    Returns once it is whole.
    """
    here = train_lab(lab)
    answer(here, here.office, ["snapshot", "take", *options(wait=wait)], as_json=json)
    out.next("./ntplab train snapshot list")


@snapshot.command("list")
def list_(lab: LabName = None, json: Json = False) -> None:
    """The epochs of the snapshots that there are."""
    here = train_lab(lab)
    answer(here, here.office, ["snapshot", "list"], as_json=json)


@snapshot.command("show")
def show_(epoch: Epoch, lab: LabName = None, json: Json = False) -> None:
    """What is in a snapshot."""
    here = train_lab(lab)
    answer(here, here.office, ["snapshot", "show", str(epoch)], as_json=json)


@snapshot.command("load")
def load_(
    epoch: Epoch,
    wait: Annotated[str, typer.Option(metavar="TIME", help="How long it may take.")] = "60s",
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Have every node go back to a snapshot; returns once all go on."""
    here = train_lab(lab)
    words = ["snapshot", "load", str(epoch), *options(wait=wait)]
    answer(here, here.office, words, as_json=json)
    out.next("./ntplab train status")


@snapshot.command("reset")
def reset(lab: LabName = None, json: Json = False) -> None:
    """Give up the snapshot under way, so that the next can begin."""
    here = train_lab(lab)
    answer(here, here.office, ["snapshot", "reset"], as_json=json)
    out.next("./ntplab train snapshot take")


# links and load


@app.command("link")
def link(
    node: Annotated[str, typer.Argument(metavar="NODE", help="Whose links; all for everybody's.")],
    peer: Annotated[
        str | None, typer.Argument(metavar="PEER", help="Only the one to this neighbor.")
    ] = None,
    delay: Annotated[
        str | None, typer.Option(metavar="TIME", help="200ms, or drawn from a span: 0ms-2s.")
    ] = None,
    loss: Annotated[float | None, typer.Option(metavar="SHARE", help="0 to 1.")] = None,
    duplication: Annotated[float | None, typer.Option(metavar="SHARE", help="0 to 1.")] = None,
    cut: Annotated[bool, typer.Option("--cut", help="Nothing passes.")] = False,
    lab: LabName = None,
    json: Json = False,
) -> None:
    """Bend the links that leave a node; without options, mend them."""
    here = train_lab(lab)
    words = ["link", *([peer] if peer else []), *(["--cut"] if cut else [])]
    words += options(delay=delay, loss=loss, duplication=duplication)
    found = ask_all(here, here.several(node, here.nodes), words)
    if json:
        out.json({"schema": 1, "lab": here.name, "links": found})
    else:
        out.table(
            ["from", "to", "delay", "loss", "duplication", "cut"],
            [_link_row(n, p, told) for n, links in found.items() for p, told in links.items()],
        )
    out.next("./ntplab train link all")


def _link_row(node: str, peer: str, told: dict[str, Any]) -> tuple[str, ...]:
    low, high = told["delay_min_ns"] / 1e6, told["delay_max_ns"] / 1e6
    delay = f"{low:g} ms" if low == high else f"{low:g}-{high:g} ms"
    cut = "cut" if told["cut"] else "-"
    return (node, peer, delay, f"{told['loss']:.0%}", f"{told['duplication']:.0%}", cut)


Whom = Annotated[str, typer.Argument(metavar="CLIENT", help="Which client; all by default.")]


@load.command("start")
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


@load.command("stop")
def stop(client: Whom = "all", lab: LabName = None, json: Json = False) -> None:
    """No new requests; those under way go on."""
    _load(client, ["stop"], lab, json)
    out.next("./ntplab train status")


@load.command("status")
def load_status(client: Whom = "all", lab: LabName = None, json: Json = False) -> None:
    """Which loads run, and how many requests each made."""
    _load(client, ["status"], lab, json)


def _load(client: str, words: list[str], lab: str | None, json: bool) -> None:
    here: TrainLab = train_lab(lab)
    found = ask_all(here, here.several(client, here.clients), ["load", *words])
    if json:
        out.json({"schema": 1, "lab": here.name, "load": found})
        return
    out.table(
        ["client", "load", "requests"],
        [(n, "runs" if t["running"] else "-", str(t["made"])) for n, t in found.items()],
    )
