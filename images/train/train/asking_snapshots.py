"""`ntplab-train ask snapshot`: of the whole system."""

from __future__ import annotations

import argparse
from typing import Any

from . import tables
from .asker import Asker, add_verb, add_wait, plain_verb
from .errors import UsageError


def add(verbs: Any) -> None:
    """Their command lines."""
    parser = verbs.add_parser(
        "snapshot", help="take, list, show, load, reset snapshots", allow_abbrev=False,
        description="Snapshots of the whole system.",
    )  # fmt: skip
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    parser = add_verb(actions, "take", _take, "take one; a client asks the office to")
    add_wait(parser, "it is whole (at the office)")
    add_verb(
        actions,
        "list",
        plain_verb("snapshot-list", tables.snapshots),
        "the office: epochs there are",
    )
    parser = add_verb(actions, "show", _show, "the office: what is in one")
    parser.add_argument("epoch", type=int, metavar="EPOCH")
    parser = add_verb(actions, "load", _load, "the office: have everybody go back to one")
    parser.add_argument("epoch", type=int, metavar="EPOCH")
    add_wait(parser, "everybody has loaded it and goes on")
    add_verb(
        actions, "reset", plain_verb("snapshot-reset", lambda _: "ready for the next"),
        "the office: give up the one under way",
    )  # fmt: skip


def _take(asker: Asker, arguments: argparse.Namespace) -> int:
    epoch = asker("snapshot-take")
    if arguments.wait is not None:
        if epoch is None:
            raise UsageError("a client cannot wait for a snapshot", "ask the office with --wait")
        asker.until(
            f"snapshot {epoch}",
            arguments.wait,
            lambda: epoch if epoch in asker("snapshot-list") else None,
        )
    asker.show(epoch, tables.taken)
    return 0


def _show(asker: Asker, arguments: argparse.Namespace) -> int:
    asker.show(asker("snapshot-show", epoch=arguments.epoch), tables.snapshot)
    return 0


def _load(asker: Asker, arguments: argparse.Namespace) -> int:
    asker("snapshot-load", epoch=arguments.epoch)
    if arguments.wait is not None:
        asker.until(
            f"everybody to load snapshot {arguments.epoch}",
            arguments.wait,
            lambda: None if asker("status")["halted"] else True,
        )
    asker.show(arguments.epoch, lambda epoch: f"snapshot {epoch} is being loaded"
               if arguments.wait is None else f"snapshot {epoch} is loaded")  # fmt: skip
    return 0
