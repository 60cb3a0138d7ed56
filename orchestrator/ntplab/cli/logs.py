"""`logs SERVER`: what a node printed."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .options import LabName, connect, pick_lab


def logs(
    server: Annotated[str, typer.Argument(help="The node.", metavar="SERVER")],
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on as it prints.")] = False,
    tail: Annotated[
        int | None, typer.Option(metavar="N", help="Only the last N lines.", min=0)
    ] = None,
    lab: LabName = None,
) -> None:
    """Show what a node printed, standard output and error."""
    driver = connect()
    for chunk in driver.logs(pick_lab(driver, lab), server, follow=follow, tail=tail):
        sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
