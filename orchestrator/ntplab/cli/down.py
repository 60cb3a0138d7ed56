"""`down`: remove a lab, also one whose orchestrator was killed."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import LabName, connect, pick_lab
from .output import out


def down(
    lab: LabName = None,
    all_labs: Annotated[bool, typer.Option("--all", help="Every lab of this machine.")] = False,
) -> None:
    """Remove a lab: its containers, networks and volumes.

    Finds what to remove by label, also when the command that started the lab was killed. Run
    directories stay.
    """
    driver = connect()
    labs = driver.labs()
    if not labs:
        out.step("no lab is up")
        return
    for name in labs if all_labs else [pick_lab(driver, lab)]:
        gone = driver.remove_lab(name)
        out.step(
            f"lab {name} removed: {len(gone.containers)} containers, "
            f"{len(gone.networks)} networks, {len(gone.volumes)} volumes"
        )
    out.next("./ntplab runs list")
