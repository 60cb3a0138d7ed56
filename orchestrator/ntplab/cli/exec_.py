"""`exec SERVER -- CMD`: run a command inside a node's namespaces, on its clock."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError
from ..faults.handle import ENTER
from ..reach import warning_about
from .options import LabName, connect, pick_lab
from .output import out


def exec_(
    server: Annotated[str, typer.Argument(help="The node to enter.", metavar="SERVER")],
    command: Annotated[
        list[str], typer.Argument(help="What to run there, after --.", metavar="CMD")
    ],
    lab: LabName = None,
) -> None:
    """Run a command on a node, in its namespaces and on its clock.

    For example: ntplab exec lyon -- date -s "2023-10-01 12:00:00". Exits with the command's exit
    code. Interactive when stdin is a terminal. Warns when CMD is a program that the virtual clock
    does not reach (static, setuid, Go, musl).
    """
    driver = connect()
    name = pick_lab(driver, lab)
    if driver.container(name, server) is None:
        known = ", ".join(sorted(c.node for c in driver.containers(name)))
        raise UsageError(f"no node {server!r} in lab {name}", hint=f"there are: {known}")
    if warning := warning_about(driver, name, server, command[0]):
        out.say(f"warning: {warning}")
    raise typer.Exit(driver.exec_interactive(name, server, [ENTER, *command]))
