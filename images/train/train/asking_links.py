"""`ntplab-train ask link` and `load`: what bends a node's links, and a client's own load."""

from __future__ import annotations

import argparse
from typing import Any

from . import tables
from .asker import Asker, Verb, add_verb, wish_of
from .options import add_wish, typed
from .quantities import duration_ns
from .ticket import NS


def add(verbs: Any) -> None:
    """Their command lines."""
    parser = add_verb(verbs, "link", _link, "bend the links that leave this node, or mend them")
    parser.add_argument("peer", nargs="?", metavar="NEIGHBOR", help="all of them by default")
    parser.add_argument("--loss", type=float, default=0.0, metavar="SHARE", help="0 to 1")
    parser.add_argument("--duplication", type=float, default=0.0, metavar="SHARE", help="0 to 1")
    parser.add_argument(
        "--delay", type=typed(_span_ns), default=(0, 0), metavar="TIME[-TIME]",
        help="200ms, or drawn for each message from 0ms-2s, which reorders them",
    )  # fmt: skip
    parser.add_argument("--cut", action="store_true", help="nothing passes")
    parser = verbs.add_parser(
        "load", help="a client's own load", allow_abbrev=False,
        description="A client asks for tickets by itself, one after the other.",
    )  # fmt: skip
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    parser = add_verb(actions, "start", _start, "begin")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all draws (1)")
    parser.add_argument(
        "--think", type=typed(duration_ns), default=NS, metavar="TIME",
        help="mean time between requests (1s)",
    )  # fmt: skip
    parser.add_argument("--requests", type=int, metavar="N", help="end after so many")
    add_wish(parser)
    for name, help_ in (("stop", "end"), ("status", "how it goes")):
        add_verb(actions, name, _about_load(name), help_)


def _link(asker: Asker, arguments: argparse.Namespace) -> int:
    least_ns, most_ns = arguments.delay
    asker(
        "link", peer=arguments.peer, loss=arguments.loss, duplication=arguments.duplication,
        delay_min_ns=least_ns, delay_max_ns=most_ns, cut=arguments.cut,
    )  # fmt: skip
    asker.show(asker("status")["links"], tables.links)
    return 0


def _span_ns(text: str) -> tuple[int, int]:
    least, dash, most = text.partition("-")
    return duration_ns(least), duration_ns(most if dash else least)


def _start(asker: Asker, arguments: argparse.Namespace) -> int:
    answer = asker(
        "load", action="start", seed=arguments.seed, think_mean_ns=arguments.think,
        requests=arguments.requests, wishes=[wish_of(arguments)],
    )  # fmt: skip
    asker.show(answer, tables.load)
    return 0


def _about_load(action: str) -> Verb:
    def run(asker: Asker, _: argparse.Namespace) -> int:
        asker.show(asker("load", action=action), tables.load)
        return 0

    return run
