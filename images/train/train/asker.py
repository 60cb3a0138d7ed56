"""The way to a running node, and what every request of `ntplab-train ask` is made of.

`asking.py` puts the requests together; each `asking_*.py` has some of them.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .control import ask
from .errors import NoAnswerError, RefusedError
from .options import typed
from .quantities import duration_ns
from .ticket import NS, BadValueError

CONTROL_VARIABLE = "NTPLAB_TRAIN_CONTROL"
POLL_S = 0.05
WAIT_DEFAULT = "30s"


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
"""Carries one request out; returns the exit code."""


def add_verb(verbs: Any, name: str, verb: Verb, help_: str) -> argparse.ArgumentParser:
    """A request that `verb` carries out."""
    parser: argparse.ArgumentParser = verbs.add_parser(
        name, help=help_, description=help_[0].upper() + help_[1:] + ".", allow_abbrev=False
    )
    parser.set_defaults(verb=verb)
    return parser


def plain_verb(verb: str, table: Callable[[Any], str]) -> Verb:
    """A verb without options."""

    def run(asker: Asker, _: argparse.Namespace) -> int:
        asker.show(asker(verb), table)
        return 0

    return run


def on_ticket(verb: str, done: str) -> Verb:
    """A verb about one ticket, `done` once the node has done so."""

    def run(asker: Asker, arguments: argparse.Namespace) -> int:
        asker(verb, ticket_id=arguments.ticket)
        asker.show(arguments.ticket, lambda number: f"ticket {number} {done}")
        return 0

    return run


def add_wait(parser: argparse.ArgumentParser, what: str) -> None:
    """The option to stay until `what`."""
    parser.add_argument(
        "--wait", nargs="?", const=duration_ns(WAIT_DEFAULT), type=typed(duration_ns),
        metavar="TIME", help=f"stay until {what}, so long at most ({WAIT_DEFAULT})",
    )  # fmt: skip


def wish_of(arguments: argparse.Namespace) -> dict[str, Any]:
    """What `options.add_wish` read, as a request has it."""
    wish = {name: getattr(arguments, name) for name in ("origin", "destination", "day")}
    if getattr(arguments, "ticket", None) is not None:
        wish["ticket_id"] = arguments.ticket
    return wish
