"""`train link`: what bends the links between nodes; for train.py."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from .options import Json, LabName
from .output import out
from .train_asking import ask_all, train_lab
from .train_options import options

app = typer.Typer()


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
