"""`up FILE`: a lab without a timeline, to bend by hand."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated

import typer

from ..driver.base import Driver
from ..events import Event, LabStep
from ..lab import Lab
from ..labtime import LabClock
from ..plan import Plan
from .loading import load_plan, ready_driver
from .options import Overrides, ScenarioFile
from .output import out

PLAN_LABEL = "ntplab.plan"


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
    plan = load_plan(file, overrides)
    driver, name = ready_driver(plan), lab or plan.name
    checksum = plan_checksum(plan)
    if is_up(driver, name, checksum):
        out.step(f"lab {name} is up already")
    else:
        driver.remove_lab(name)
        bring_up(driver, plan, name, checksum)
        out.step(f"lab {name} is up: {', '.join(server.name for server in plan.servers)}")
    out.next("./ntplab status")


def plan_checksum(plan: Plan) -> str:
    """What tells whether a lab that is up is the one asked for."""
    return hashlib.sha256(json.dumps(plan.to_json(), sort_keys=True).encode()).hexdigest()


def is_up(driver: Driver, name: str, checksum: str) -> bool:
    """Whether exactly this lab is there, all of it running."""
    containers = driver.containers(name)
    return bool(containers) and all(
        info.status == "running" and info.labels.get(PLAN_LABEL) == checksum for info in containers
    )


def bring_up(driver: Driver, plan: Plan, name: str, checksum: str) -> None:
    """Start the lab; remove what was made of it if that fails or is interrupted."""
    lab = Lab(driver, plan, name, LabClock.anchored_now(), _tell, lambda _table, _rows: None)
    try:
        lab.up({PLAN_LABEL: checksum})
    except BaseException:
        lab.down()
        raise


def _tell(event: Event) -> None:
    if isinstance(event, LabStep):
        out.step(event.step)
