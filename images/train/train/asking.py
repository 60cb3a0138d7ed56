"""`ntplab-train ask`: one question to a running node, through its control socket.

Each verb makes a request (`control.py` lists them), shows the answer as a table, or as it is with
`--json`, and with `--wait` stays until what it asked for has come true.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from . import tables
from .airplug_options import add_wish, typed
from .control import ask
from .errors import EXIT_REFUSED, NoAnswerError, RefusedError, UsageError
from .lab_node import STATE_VARIABLE, state_directory
from .place import CONTROL_NAME
from .quantities import departure_ns, duration_ns, price_cents
from .ticket import BadValueError

CONTROL_VARIABLE = "NTPLAB_TRAIN_CONTROL"
POLL_S = 0.05
QUERY_AGAIN_S = 1.0
WAIT_DEFAULT = "30s"
NS = 1_000_000_000


class Asker:
    """The way to the node, and how answers are shown."""

    def __init__(self, path: Path, as_json: bool) -> None:
        self._path = path
        self._as_json = as_json

    def __call__(self, verb: str, **what: Any) -> Any:
        """The node's answer. Raises `RefusedError` with its words, `NoAnswerError`."""
        try:
            return ask(self._path, {"do": verb, **what})
        except BadValueError as error:
            raise RefusedError(str(error)) from error
        except (OSError, ValueError) as error:
            raise NoAnswerError(
                f"no node answers at {self._path}: {error}",
                f"is it running? --control or ${CONTROL_VARIABLE} says where it listens",
            ) from error

    def show(self, answer: Any, table: Callable[[Any], str]) -> None:
        """On stdout."""
        text = json.dumps(answer, ensure_ascii=False) if self._as_json else table(answer)
        if text:
            print(text)

    def until(self, what: str, timeout_ns: int, look: Callable[[], Any]) -> Any:
        """The first answer of `look` that is not None. Raises `NoAnswerError` at the deadline."""
        deadline = time.monotonic() + timeout_ns / NS
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise NoAnswerError(
                    f"{what}: not within {timeout_ns / NS:g} s", "it goes on; `status` shows it"
                )
            time.sleep(POLL_S)
        return found


Verb = Callable[[Asker, argparse.Namespace], int]


def add(programs: Any) -> None:
    """The command line of `ask`."""
    parser = programs.add_parser(
        "ask", help="ask a running node something", allow_abbrev=False,
        description="Ask a running node something, or have it do something.",
    )  # fmt: skip
    parser.add_argument(
        "--control", metavar="PATH", type=Path,
        help=f"the node's control socket, or its state directory (${CONTROL_VARIABLE}, or "
        f"${STATE_VARIABLE}/{CONTROL_NAME})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    verbs = parser.add_subparsers(metavar="REQUEST", required=True)
    for add_some in (_add_looking, _add_tickets, _add_reserving, _add_snapshots, _add_faults):
        add_some(verbs)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    path = arguments.control or os.environ.get(CONTROL_VARIABLE) or state_directory()
    path = Path(path)
    asker = Asker(path / CONTROL_NAME if path.is_dir() else path, arguments.json)
    return int(arguments.verb(asker, arguments))


def _verb(verbs: Any, name: str, verb: Verb, help_: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=help_, description=help_[0].upper() + help_[1:] + ".", allow_abbrev=False
    )
    parser.set_defaults(verb=verb)
    return parser


def _plain(verb: str, table: Callable[[Any], str]) -> Verb:
    """A verb without options."""

    def run(asker: Asker, _: argparse.Namespace) -> int:
        asker.show(asker(verb), table)
        return 0

    return run


def _on_ticket(verb: str, done: str) -> Verb:
    def run(asker: Asker, arguments: argparse.Namespace) -> int:
        asker(verb, ticket_id=arguments.ticket)
        asker.show(arguments.ticket, lambda number: f"ticket {number} {done}")
        return 0

    return run


def _add_wait(parser: argparse.ArgumentParser, what: str) -> None:
    parser.add_argument(
        "--wait", nargs="?", const=duration_ns(WAIT_DEFAULT), type=typed(duration_ns),
        metavar="TIME", help=f"stay until {what}, so long at most ({WAIT_DEFAULT})",
    )  # fmt: skip


# Looking


def _add_looking(verbs: Any) -> None:
    _verb(verbs, "status", _plain("status", tables.status), "how the node is")
    parser = _verb(verbs, "tickets", _tickets, "the office's tickets, or those a client owns")
    parser.add_argument("--state", metavar="STATE", help="only those in that state")
    parser = _verb(verbs, "consult", _consult, "a client: ask the office what there is")
    add_wish(parser)


def _tickets(asker: Asker, arguments: argparse.Namespace) -> int:
    found = asker("tickets")
    if arguments.state is not None:
        found = [sale for sale in found if sale.get("state", "owned") == arguments.state]
    asker.show(found, tables.tickets)
    return 0


def _consult(asker: Asker, arguments: argparse.Namespace) -> int:
    """Queries are not repeated by the node, so it is asked again every second."""
    asked: list[int] = []
    again_at = 0.0

    def look() -> Any:
        nonlocal again_at
        if time.monotonic() >= again_at:
            asked.append(asker("consult", wish=_wish(arguments)))
            again_at = time.monotonic() + QUERY_AGAIN_S
        return asker("info", query=asked[-1])

    found = asker.until("an answer of the office", duration_ns(WAIT_DEFAULT), look)
    asker.show(found, tables.info)
    return 0


def _wish(arguments: argparse.Namespace) -> dict[str, Any]:
    wish = {name: getattr(arguments, name) for name in ("origin", "destination", "day")}
    if getattr(arguments, "ticket", None) is not None:
        wish["ticket_id"] = arguments.ticket
    return wish


# The office's tickets


def _add_tickets(verbs: Any) -> None:
    parser = _verb(verbs, "create", _create, "the office: new tickets")
    _add_journey(parser, required=True)
    parser.add_argument("--seats", type=int, default=1, metavar="N", help="how many (1)")
    parser = _verb(verbs, "update", _update, "the office: change an available ticket")
    parser.add_argument("ticket", type=int, metavar="TICKET")
    _add_journey(parser, required=False)
    parser = _verb(
        verbs, "delete", _on_ticket("delete", "deleted"), "the office: take a ticket off sale"
    )
    parser.add_argument("ticket", type=int, metavar="TICKET")
    parser = _verb(
        verbs, "reclaim", _reclaim,
        "the office: sell again what a client that is dead for good has not acknowledged (UNSAFE)",
    )  # fmt: skip
    parser.add_argument("ticket", type=int, metavar="TICKET")
    parser.add_argument(
        "--unsafe", action="store_true",
        help="needed: if that client ever comes back, two hold the ticket",
    )  # fmt: skip
    parser = _verb(verbs, "import", _import, "the office: tickets from a timetable as CSV")
    parser.add_argument("file", metavar="FILE", help="- is stdin")
    parser = _verb(verbs, "export", _export, "the office: the timetable as CSV")
    parser.add_argument("file", metavar="FILE", nargs="?", default="-", help="- is stdout")


def _add_journey(parser: argparse.ArgumentParser, *, required: bool) -> None:
    parser.add_argument("--from", dest="origin", metavar="PLACE", required=required)
    parser.add_argument("--to", dest="destination", metavar="PLACE", required=required)
    parser.add_argument(
        "--departure", metavar="TIME", required=required, help="there, as 2026-12-24T08:30"
    )
    parser.add_argument(
        "--zone", metavar="ZONE", required=required, help="IANA time zone, as Europe/Paris"
    )
    parser.add_argument("--price", type=typed(price_cents), metavar="EUROS", help="as 29.90")


def _create(asker: Asker, arguments: argparse.Namespace) -> int:
    if arguments.seats < 1:
        raise UsageError(f"--seats {arguments.seats}: one at least")
    made = [asker("create", **_journey(arguments)) for _ in range(arguments.seats)]
    asker.show(made, tables.created)
    return 0


def _update(asker: Asker, arguments: argparse.Namespace) -> int:
    changes = {name: value for name, value in _journey(arguments).items() if value is not None}
    if not changes:
        raise UsageError("nothing to change", "--from, --to, --departure with --zone, --price")
    asker("update", ticket_id=arguments.ticket, **changes)
    asker.show(arguments.ticket, lambda number: f"ticket {number} changed")
    return 0


def _journey(arguments: argparse.Namespace) -> dict[str, Any]:
    if (arguments.departure is None) != (arguments.zone is None):
        raise UsageError("--departure and --zone go together")
    when = None
    if arguments.departure is not None:
        try:
            when = departure_ns(arguments.departure, arguments.zone)
        except BadValueError as error:
            raise UsageError(str(error)) from error
    return {
        "origin": arguments.origin,
        "destination": arguments.destination,
        "departure_ns": when,
        "zone": arguments.zone,
        "price_cents": arguments.price,
    }


def _reclaim(asker: Asker, arguments: argparse.Namespace) -> int:
    if not arguments.unsafe:
        raise UsageError(
            "to reclaim a ticket is unsafe: if its client ever comes back, two hold it",
            "if it is dead for good: --unsafe",
        )
    return _on_ticket("reclaim", "is for sale again")(asker, arguments)


def _import(asker: Asker, arguments: argparse.Namespace) -> int:
    try:
        csv = sys.stdin.read() if arguments.file == "-" else Path(arguments.file).read_text()
    except (OSError, ValueError) as error:
        raise UsageError(f"{arguments.file}: {error}") from error
    asker.show(asker("import", csv=csv), tables.created)
    return 0


def _export(asker: Asker, arguments: argparse.Namespace) -> int:
    csv = asker("export")
    if arguments.file == "-":
        asker.show(csv, str.rstrip)
        return 0
    try:
        Path(arguments.file).write_text(csv)
    except OSError as error:
        raise UsageError(f"{arguments.file}: {error.strerror}") from error
    return 0


# A client's requests


def _add_reserving(verbs: Any) -> None:
    parser = _verb(verbs, "reserve", _reserve, "a client: ask for one ticket")
    add_wish(parser)
    parser.add_argument("--ticket", type=int, metavar="TICKET", help="this very one")
    _add_wait(parser, "the request has ended, or an offer waits for your word")
    for name, help_ in (
        ("confirm", "a client: take the offer (nodes with --by-hand)"),
        ("refuse", "a client: leave the offer (nodes with --by-hand)"),
    ):
        _add_wait(_verb(verbs, name, _decide(name), help_), "the request has ended")
    parser = _verb(verbs, "request", _request, "a client: how a request stands")
    parser.add_argument("number", type=int, nargs="?", metavar="N", help="the last one")
    _add_wait(parser, "it has ended")


def _reserve(asker: Asker, arguments: argparse.Namespace) -> int:
    number = asker("reserve", wish=_wish(arguments))
    return _follow(asker, number, arguments.wait, ("idle", "offered"))


def _decide(verb: str) -> Verb:
    def run(asker: Asker, arguments: argparse.Namespace) -> int:
        asker(verb)
        number = asker("request")["request"]
        return _follow(asker, number, arguments.wait, ("idle",))

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


# Snapshots


def _add_snapshots(verbs: Any) -> None:
    parser = verbs.add_parser(
        "snapshot", help="take, list, show, load, reset snapshots", allow_abbrev=False,
        description="Snapshots of the whole system.",
    )  # fmt: skip
    actions = parser.add_subparsers(metavar="ACTION", required=True)
    parser = _verb(actions, "take", _take, "take one; a client asks the office to")
    _add_wait(parser, "it is whole (at the office)")
    _verb(
        actions, "list", _plain("snapshot-list", tables.snapshots), "the office: epochs there are"
    )
    parser = _verb(actions, "show", _show, "the office: what is in one")
    parser.add_argument("epoch", type=int, metavar="EPOCH")
    parser = _verb(actions, "load", _load, "the office: have everybody go back to one")
    parser.add_argument("epoch", type=int, metavar="EPOCH")
    _add_wait(parser, "everybody has loaded it and goes on")
    _verb(
        actions, "reset", _plain("snapshot-reset", lambda _: "ready for the next"),
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


# Faults and load


def _add_faults(verbs: Any) -> None:
    parser = _verb(verbs, "link", _link, "bend the links that leave this node, or mend them")
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
    parser = _verb(actions, "start", _start, "begin")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of all draws (1)")
    parser.add_argument(
        "--think", type=typed(duration_ns), default=NS, metavar="TIME",
        help="mean time between requests (1s)",
    )  # fmt: skip
    parser.add_argument("--requests", type=int, metavar="N", help="end after so many")
    add_wish(parser)
    for name, help_ in (("stop", "end"), ("status", "how it goes")):
        _verb(actions, name, _about_load(name), help_)


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
        requests=arguments.requests, wishes=[_wish(arguments)],
    )  # fmt: skip
    asker.show(answer, tables.load)
    return 0


def _about_load(action: str) -> Verb:
    def run(asker: Asker, _: argparse.Namespace) -> int:
        asker.show(asker("load", action=action), tables.load)
        return 0

    return run
