"""`ntplab-train ask`: the office's tickets, and those that a client owns."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from . import tables
from .asker import Asker, add_verb, on_ticket
from .errors import UsageError
from .office_state import State
from .options import typed
from .quantities import departure_ns, price_cents
from .ticket import BadValueError

OWNED = "owned"
STATES = (*(state.value for state in State), OWNED)
"""of the office's tickets; those of a client are owned"""


def add(verbs: Any) -> None:
    """Their command lines."""
    parser = add_verb(verbs, "tickets", _tickets, "the office's tickets, or those a client owns")
    parser.add_argument(
        "--state", choices=STATES, metavar="STATE", help=f"only those: {', '.join(STATES)}"
    )
    parser = add_verb(verbs, "create", _create, "the office: new tickets")
    _add_journey(parser, required=True)
    parser.add_argument("--seats", type=int, default=1, metavar="N", help="how many (1)")
    parser = add_verb(verbs, "update", _update, "the office: change an available ticket")
    parser.add_argument("ticket", type=int, metavar="TICKET")
    _add_journey(parser, required=False)
    parser = add_verb(
        verbs, "delete", on_ticket("delete", "deleted"), "the office: take a ticket off sale"
    )
    parser.add_argument("ticket", type=int, metavar="TICKET")
    parser = add_verb(
        verbs, "reclaim", _reclaim,
        "the office: sell again what a client that is dead for good has not acknowledged (UNSAFE)",
    )  # fmt: skip
    parser.add_argument("ticket", type=int, metavar="TICKET")
    parser.add_argument(
        "--unsafe", action="store_true",
        help="needed: if that client ever comes back, two hold the ticket",
    )  # fmt: skip
    parser = add_verb(verbs, "import", _import, "the office: tickets from a timetable as CSV")
    parser.add_argument("file", metavar="FILE", help="- is stdin")
    parser = add_verb(verbs, "export", _export, "the office: the timetable as CSV")
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="- is stdout")


def _add_journey(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--from", dest="origin", metavar="PLACE", required=required)
    parser.add_argument("--to", dest="destination", metavar="PLACE", required=required)
    parser.add_argument(
        "--departure", metavar="TIME", required=required, help="there, as 2026-12-24T08:30"
    )
    parser.add_argument(
        "--zone", metavar="ZONE", required=required, help="IANA time zone, as Europe/Paris"
    )
    parser.add_argument("--price", type=typed(price_cents), metavar="EUROS", help="as 29.90")


def _create(asker: Asker, arguments: argparse.Namespace) -> int:
    if arguments.seats < 1:
        raise UsageError(f"--seats {arguments.seats}: one at least")
    made = [asker("create", **_journey(arguments)) for _ in range(arguments.seats)]
    asker.show(made, tables.created)
    return 0


def _update(asker: Asker, arguments: argparse.Namespace) -> int:
    changes = {name: value for name, value in _journey(arguments).items() if value is not None}
    if not changes:
        raise UsageError("nothing to change", "--from, --to, --departure with --zone, --price")
    asker("update", ticket_id=arguments.ticket, **changes)
    asker.show(arguments.ticket, lambda number: f"ticket {number} changed")
    return 0


def _journey(arguments: argparse.Namespace) -> dict[str, Any]:
    if (arguments.departure is None) != (arguments.zone is None):
        raise UsageError("--departure and --zone go together")
    when = None
    if arguments.departure is not None:
        try:
            when = departure_ns(arguments.departure, arguments.zone)
        except BadValueError as error:
            raise UsageError(str(error)) from error
    return {
        "origin": arguments.origin,
        "destination": arguments.destination,
        "departure_ns": when,
        "zone": arguments.zone,
        "price_cents": arguments.price,
    }


def _reclaim(asker: Asker, arguments: argparse.Namespace) -> int:
    if not arguments.unsafe:
        raise UsageError(
            "to reclaim a ticket is unsafe: if its client ever comes back, two hold it",
            "if it is dead for good: --unsafe",
        )
    return on_ticket("reclaim", "is for sale again")(asker, arguments)


def _import(asker: Asker, arguments: argparse.Namespace) -> int:
    try:
        csv = sys.stdin.read() if arguments.file == "-" else Path(arguments.file).read_text()
    except (OSError, ValueError) as error:
        raise UsageError(f"{arguments.file}: {error}") from error
    asker.show(asker("import", csv=csv), tables.created)
    return 0


def _export(asker: Asker, arguments: argparse.Namespace) -> int:
    csv = asker("export")
    if arguments.file == "-":
        asker.show(csv, str.rstrip)
        return 0
    try:
        Path(arguments.file).write_text(csv)
    except OSError as error:
        raise UsageError(f"{arguments.file}: {error.strerror}") from error
    return 0


def _tickets(asker: Asker, arguments: argparse.Namespace) -> int:
    found = asker("tickets")
    if arguments.state is not None:
        found = [sale for sale in found if sale.get("state", OWNED) == arguments.state]
    asker.show(found, tables.tickets)
    return 0
