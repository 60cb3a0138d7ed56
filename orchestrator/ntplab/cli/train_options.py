"""Options that several verbs of `train ...` have."""

from __future__ import annotations

from typing import Annotated, Any

import typer

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
