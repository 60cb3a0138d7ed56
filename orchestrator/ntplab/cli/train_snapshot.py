"""`train snapshot ...`: of the whole system; for train.py."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import Json, LabName
from .output import out
from .train_asking import answer, train_lab
from .train_options import Epoch, options

app = typer.Typer(help="Snapshots of the whole system: take, list, show, load, reset.")


@app.command("take")
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


@app.command("list")
def list_(lab: LabName = None, json: Json = False) -> None:
    """The epochs of the snapshots that there are."""
    here = train_lab(lab)
    answer(here, here.office, ["snapshot", "list"], as_json=json)


@app.command("show")
def show_(epoch: Epoch, lab: LabName = None, json: Json = False) -> None:
    """What is in a snapshot."""
    here = train_lab(lab)
    answer(here, here.office, ["snapshot", "show", str(epoch)], as_json=json)


@app.command("load")
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


@app.command("reset")
def reset(lab: LabName = None, json: Json = False) -> None:
    """Give up the snapshot under way, so that the next can begin."""
    here = train_lab(lab)
    answer(here, here.office, ["snapshot", "reset"], as_json=json)
    out.next("./ntplab train snapshot take")
