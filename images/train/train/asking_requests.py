"""`ntplab-train ask`: what a client asks its office for."""

from __future__ import annotations

import argparse
import time
from typing import Any

from . import tables
from .asker import WAIT_DEFAULT, Asker, Verb, add_verb, add_wait, wish_of
from .errors import EXIT_REFUSED
from .options import add_wish
from .quantities import duration_ns

QUERY_AGAIN_S = 1.0


def add(verbs: Any) -> None:
    """Their command lines."""
    add_wish(add_verb(verbs, "consult", _consult, "a client: ask the office what there is"))
    parser = add_verb(verbs, "reserve", _reserve, "a client: ask for one ticket")
    add_wish(parser)
    parser.add_argument("--ticket", type=int, metavar="TICKET", help="this very one")
    add_wait(parser, "the request has ended, or an offer waits for your word")
    for name, help_ in (
        ("confirm", "a client: take the offer (nodes with --by-hand)"),
        ("refuse", "a client: leave the offer (nodes with --by-hand)"),
    ):
        add_wait(add_verb(verbs, name, _decide(name), help_), "the request has ended")
    parser = add_verb(verbs, "request", _request, "a client: how a request stands")
    parser.add_argument("number", type=int, nargs="?", metavar="N", help="the last one")
    add_wait(parser, "it has ended")


def _reserve(asker: Asker, arguments: argparse.Namespace) -> int:
    number = asker("reserve", wish=wish_of(arguments))
    return _follow(asker, number, arguments.wait, ("idle", "offered"))


def _decide(verb: str) -> Verb:
    def run(asker: Asker, arguments: argparse.Namespace) -> int:
        return _follow(asker, asker(verb), arguments.wait, ("idle",))

    return run


def _request(asker: Asker, arguments: argparse.Namespace) -> int:
    number = arguments.number
    if number is None:
        number = asker("request")["request"]
    return _follow(asker, number, arguments.wait, ("idle",))


def _follow(asker: Asker, number: int, wait_ns: int | None, ends: tuple[str, ...]) -> int:
    """Show how a request stands, waiting for one of the stages `ends` when told to."""

    def look() -> Any:
        stands = asker("request", request=number)
        return stands if wait_ns is None or stands["stage"] in ends else None

    stands = asker.until(f"the end of request {number}", wait_ns or 0, look)
    asker.show(stands, tables.request)
    return EXIT_REFUSED if stands["outcome"] in ("none", "expired") else 0


def _consult(asker: Asker, arguments: argparse.Namespace) -> int:
    """Queries are not repeated by the node, so it is asked again every second."""
    asked: list[int] = []
    again_at = 0.0

    def look() -> Any:
        nonlocal again_at
        if time.monotonic() >= again_at:
            asked.append(asker("consult", wish=wish_of(arguments)))
            again_at = time.monotonic() + QUERY_AGAIN_S
        return asker("info", query=asked[-1])

    found = asker.until("an answer of the office", duration_ns(WAIT_DEFAULT), look)
    asker.show(found, tables.info)
    return 0
