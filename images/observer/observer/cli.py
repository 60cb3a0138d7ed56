"""The program `ntplab-observer`: the main process, and the one-shot commands beside it.

Each command prints one JSON document; the main process prints one a line, for ever. Exit
codes: 0 done, 1 it could not be done or did not come true in time, 2 it makes no sense.

What only one command needs is imported by it: a fault is waited for, and most of the time it
takes is Python importing modules.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from . import faults
from .config import (
    ANCHOR_VARIABLE,
    CONFIG_VARIABLE,
    DEFAULT_CONFIG,
    ConfigError,
    anchor_from_environment,
    config_from_environment,
)
from .holding import HoldingError
from .oscillator import MIN_STROBE_NS, MIN_TEMPERATURE_NS
from .output import JsonLines
from .pages import PageError, raw_ns

EXIT_FAILED = 1
EXIT_USAGE = 2

Command = Callable[[argparse.Namespace], int]
Number = TypeVar("Number", int, float)


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ntplab-observer` with `argv`, or the command line's arguments; its exit code."""
    arguments = _parser().parse_args(argv)
    command: Command = arguments.command
    try:
        return command(arguments)
    except ConfigError as error:
        print(f"ntplab-observer: {error}", file=sys.stderr)
        return EXIT_USAGE
    except (PageError, HoldingError, OSError) as error:
        print(f"ntplab-observer: {error}", file=sys.stderr)
        return EXIT_FAILED


def _run(_: argparse.Namespace) -> int:
    from .service import serve

    serve(config_from_environment(), anchor_from_environment(), JsonLines())
    return 0


def _now(_: argparse.Namespace) -> int:
    anchor_ns, raw = anchor_from_environment(), raw_ns()
    JsonLines()({"t": "now", "raw_ns": raw, "lab_ns": raw + anchor_ns, "anchor_ns": anchor_ns})
    return 0


def _show(arguments: argparse.Namespace) -> int:
    nodes = config_from_environment().chosen(arguments.node)
    found = faults.show(nodes, anchor_from_environment())
    JsonLines()({"t": "show", "lab_ns": found["read_lab_ns"], **found})
    return 0


def _bend(name: str, fault: Callable[[argparse.Namespace], faults.Fault]) -> Command:
    """The command that does `fault` to its nodes and reads them back."""

    def command(arguments: argparse.Namespace) -> int:
        names = arguments.node if isinstance(arguments.node, list) else [arguments.node]
        nodes, anchor_ns = config_from_environment().chosen(names), anchor_from_environment()
        lab_ns = faults.apply(fault(arguments), nodes, anchor_ns)
        JsonLines()({"t": name, "lab_ns": lab_ns, **faults.show(nodes, anchor_ns)})
        return 0

    return command


def _wait(name: str) -> Command:
    """The command that waits for all its targets."""

    def command(arguments: argparse.Namespace) -> int:
        from .waiting import ntp_probe, probe_http, wait_for_all

        probe = probe_http if name == "wait-http" else ntp_probe(_daemons())
        found = wait_for_all(arguments.target, probe, arguments.timeout_s)
        JsonLines()({"t": name, **found})
        for target, state in found["targets"].items():
            if state["error"] is not None:
                what = f"{target}: not there after {arguments.timeout_s:g} s: {state['error']}"
                print(f"ntplab-observer: {what}", file=sys.stderr)
        return 0 if found["ok"] else EXIT_FAILED

    return command


def _daemons() -> dict[str, str]:
    """How each host's NTP daemon is asked; nothing where no observer.json names other daemons."""
    try:
        nodes = config_from_environment().nodes
    except ConfigError:
        return {}
    return {node.ntp: node.daemon for node in nodes if node.ntp is not None}


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ntplab-observer",
        description="Sample all clocks of a lab against lab time, and bend them. Every command "
        "prints one JSON document; `lab_ns` is lab time when it was in force, `divergence_ns` "
        "and `nodes` what the clock pages said afterwards.",
        epilog=f"Environment: {ANCHOR_VARIABLE}, the anchor of lab time in ns; {CONFIG_VARIABLE}, "
        f"which clocks there are (default {DEFAULT_CONFIG}).",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add(commands, "run", _run, "create the missing clock pages, then sample until SIGTERM")
    _add(commands, "now", _now, "print raw time and lab time")
    show = _add(commands, "show", _show, "print what the clock pages say")
    show.add_argument("node", nargs="*", metavar="NODE", help="clocks to show (default: all)")
    _add_faults(commands)
    _add_waits(commands)
    return parser


def _add_faults(commands: _Commands) -> None:
    for name, fault, describe in (
        ("set", lambda a: faults.set_offset(a.offset_ns), "set the clock relative to lab time"),
        ("step", lambda a: faults.step(a.by_ns), "make the clock jump"),
        ("drift", lambda a: faults.drift(a.ppm), "change the oscillator's error"),
        ("wander", lambda a: faults.wander(a.ppm, a.seed), "let the frequency walk at random"),
        (
            "temperature",
            lambda a: faults.temperature(a.ppm, a.period_ns, a.phase_ns),
            "let the frequency follow a sinusoid",
        ),
        (
            "strobe",
            lambda a: faults.strobe(a.by_ns, a.period_ns, a.for_ns),
            "make the clock jump to and fro",
        ),
        ("steady", lambda a: faults.steady(tuple(a.model)), "end wander, temperature, strobe"),
        ("freeze", lambda _: faults.freeze(True), "make the clock stand still"),
        ("thaw", lambda _: faults.freeze(False), "let a frozen clock go on from where it stood"),
        ("reset", lambda _: faults.reset(), "make the clock true: offset, oscillator and timex"),
    ):
        parser = _add(commands, name, _bend(name, fault), describe)
        many = "+" if name == "reset" else None
        parser.add_argument("node", nargs=many, metavar="NODE", help="the clock to bend")
        if name == "set":
            _add_number(parser, "--offset-ns", int, "wall clock minus lab time, in ns")
        if name == "step":
            _add_number(parser, "--by-ns", int, "how far, in ns; forward if positive")
        if name == "drift":
            _add_number(parser, "--ppm", float, "how much too fast, in ppm; slow if negative")
        _add_model(parser, name)


def _add_model(parser: argparse.ArgumentParser, name: str) -> None:
    """The options of what an oscillator does over time."""
    if name == "wander":
        _add_number(
            parser, "--ppm", _at_least(0.0), "how far it strays in a second, in ppm; 0 ends"
        )
        parser.add_argument("--seed", type=int, metavar="N", help="default: the clock's own")
    if name == "temperature":
        _add_number(parser, "--ppm", _at_least(0.0), "how far it goes to either side; 0 ends it")
        _add_number(parser, "--period-ns", _at_least(MIN_TEMPERATURE_NS), "from peak to peak")
        phase = "how far into its period it begins, in ns (default 0: on its way up)"
        parser.add_argument("--phase-ns", type=int, default=0, metavar="N", help=phase)
    if name == "strobe":
        _add_number(parser, "--by-ns", int, "how far, in ns; forward if positive; 0 ends it")
        _add_number(
            parser, "--period-ns", _at_least(MIN_STROBE_NS), "from one jump out to the next"
        )
        until = "end after so long (default: go on)"
        parser.add_argument("--for-ns", type=_at_least(1), metavar="N", help=until)
    if name == "steady":
        parser.add_argument("--model", action="append", default=[], choices=faults.MODELS)


def _at_least(least: Number) -> Callable[[str], Number]:
    """Reads a number of the kind of `least`, not below it."""

    def number(text: str) -> Number:
        value = type(least)(text)
        if not value >= least:
            raise argparse.ArgumentTypeError(f"{text} is less than {least}")
        return value

    return number


def _add_waits(commands: _Commands) -> None:
    for name, metavar, describe in (
        ("wait-http", "URL", "wait until every URL answers 200"),
        ("wait-ntp", "NODE", "wait until every node's NTP daemon answers"),
    ):
        parser = _add(commands, name, _wait(name), describe)
        parser.add_argument("target", nargs="+", metavar=metavar)
        _add_number(parser, "--timeout-s", float, "give up after this many seconds")


def _add_number(
    parser: argparse.ArgumentParser, option: str, kind: Callable[[str], Any], describe: str
) -> None:
    parser.add_argument(option, type=kind, required=True, metavar="N", help=describe)


def _add(
    commands: _Commands, name: str, command: Command, describe: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(
        name, help=describe, description=f"{describe[0].upper()}{describe[1:]}."
    )
    parser.set_defaults(command=command)
    return parser


if TYPE_CHECKING:
    _Commands = argparse._SubParsersAction[argparse.ArgumentParser]
