"""Options that several command lines of `ntplab-train` have."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from .ticket import BadValueError


def typed(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """`read` as an argparse type whose own words reach the user."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except BadValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert


def add_wish(parser: argparse.ArgumentParser) -> None:
    """Options for what a client wishes for."""
    parser.add_argument("--from", dest="origin", metavar="PLACE", help="place of departure")
    parser.add_argument("--to", dest="destination", metavar="PLACE", help="destination")
    parser.add_argument("--day", metavar="YYYY-MM-DD", help="day of departure, there")


def count(text: str) -> int:
    """A whole number as an argparse type."""
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r}: a whole number, 0 or more")
    return int(text)
