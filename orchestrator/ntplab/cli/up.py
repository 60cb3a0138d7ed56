"""`up FILE`: a lab without a timeline, to bend by hand."""

from __future__ import annotations

from typing import Annotated

import typer

from ..events import Event, LabStep
from ..planner import make_plan
from ..standing import bring_up, is_up, plan_checksum
from .loading import load, ready_driver
from .options import Overrides, ScenarioFile
from .output import out


def up(
    file: ScenarioFile,
    overrides: Overrides = None,
    lab: Annotated[
        str | None,
        typer.Option(
            "--lab", metavar="NAME", help="Name of the lab; the scenario's name by default."
        ),
    ] = None,
) -> None:
    """Start a lab and wait until every node answers.

    The scenario's phases are not run: bend the clocks by hand with `clock`, switch NTP with
    `ntp`. Doing it again changes nothing; with another scenario, the lab is made anew.
    """
    plan = make_plan(load(file, overrides))
    driver, name = ready_driver(plan), lab or plan.name
    checksum = plan_checksum(plan)
    if is_up(driver, name, checksum):
        out.step(f"lab {name} is up already")
    else:
        driver.remove_lab(name)
        bring_up(driver, plan, name, _tell)
        out.step(f"lab {name} is up: {', '.join(server.name for server in plan.servers)}")
    out.next("./ntplab status")


def _tell(event: Event) -> None:
    if isinstance(event, LabStep):
        out.step(event.step)
