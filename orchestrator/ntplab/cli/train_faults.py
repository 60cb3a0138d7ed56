"""`train kill, restart, partition, heal`: what befalls one node; for train.py.

What befalls links is in `train_link.py`, what befalls clocks in `clock` and `ntp`.
"""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import UsageError
from ..faults.handle import LabHandle, until
from ..labtime import LabClock
from ..train_nodes import asking
from .options import LabName
from .output import out
from .train_asking import TrainLab, train_lab

app = typer.Typer()

Node = Annotated[str, typer.Argument(metavar="NODE", help="The office or a client.")]
ANSWERS_WITHIN_S = 60.0


@app.command("kill")
def kill(node: Node, lab: LabName = None) -> None:
    """A node dies, as if its power failed. Its disk keeps what it knows."""
    here = train_lab(lab)
    if not here.is_running(here.node(node)):
        raise UsageError(f"{node} is not running", hint=f"./ntplab train restart {node}")
    here.driver.kill(here.name, node)
    out.step(f"{node}: killed")
    out.next(f"./ntplab train restart {node}")


@app.command("restart")
def restart(node: Node, lab: LabName = None) -> None:
    """Start a node that was killed; returns once it answers.

    It goes on with what its disk holds. Its NTP is as it was at the lab's beginning.
    """
    here = train_lab(lab)
    if here.is_running(here.node(node)):
        raise UsageError(f"{node} is running", hint=f"./ntplab train kill {node}")
    here.driver.start(here.name, node)
    until(lambda: asking.answers(_handle(here), node), ANSWERS_WITHIN_S, f"{node} answering")
    out.step(f"{node}: answers")
    out.next("./ntplab train status")


@app.command("partition")
def partition(node: Node, lab: LabName = None) -> None:
    """Cut a node off the network of the others. It still has NTP."""
    _connect(node, lab, on=False)
    out.next(f"./ntplab train heal {node}")


@app.command("heal")
def heal(node: Node, lab: LabName = None) -> None:
    """Put a node back on the network of the others."""
    _connect(node, lab, on=True)
    out.next("./ntplab train status")


def _connect(node: str, lab: str | None, *, on: bool) -> None:
    here = train_lab(lab)
    if asking.is_connected(_handle(here), here.node(node)) != on:
        asking.connect(_handle(here), node, on=on)
    out.step(f"{node}: {'on' if on else 'off'} the network of the others")


def _handle(here: TrainLab) -> LabHandle:
    """Nothing here asks for lab time."""
    return LabHandle(here.driver, here.name, LabClock(0))
