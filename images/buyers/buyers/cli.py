"""The program: reads load.json, runs the load, prints one JSON document a line.

`load` first, an `attempt` for each arrival when it ended, `done` last. With --serve the same for
every load that is handed in (`standing.py`), after one `ready`. Exit codes: 0 all answered (well
or badly), 2 the load makes no sense, 143 told to stop.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from .arrivals import Arrival, draw_arrivals
from .clock import ANCHOR_VARIABLE, LabClock
from .load import Load, LoadError, parse_load
from .runner import Summary, run_load
from .standing import stand_by

EXIT_BAD_LOAD = 2
EXIT_TOLD_TO_STOP = 128 + signal.SIGTERM


def main(argv: Sequence[str] | None = None) -> int:
    """Run `ntplab-buyers` with `argv`, or the command line's arguments; its exit code."""
    arguments = _parser().parse_args(argv)
    try:
        clock = LabClock(_anchor())
        if arguments.serve is not None:
            asyncio.run(_serve(arguments.serve, clock))
            return EXIT_TOLD_TO_STOP
        load = parse_load(arguments.load.read_text(encoding="utf-8"))
        arrivals = draw_arrivals(load)
    except LoadError as error:
        for problem in error.problems:
            print(f"ntplab-buyers: {arguments.load}: {problem}", file=sys.stderr)
        return EXIT_BAD_LOAD
    except OSError as error:
        print(f"ntplab-buyers: {error}", file=sys.stderr)
        return EXIT_BAD_LOAD
    if arguments.dry_run:
        _print_arrivals(load, arrivals)
        return 0
    summary = asyncio.run(_run(load, arrivals, clock))
    return EXIT_TOLD_TO_STOP if summary.interrupted else 0


async def _serve(folder: Path, clock: LabClock) -> None:
    stop = _told_to_stop()

    async def play(load: Load, enough: asyncio.Event) -> None:
        await _play(load, draw_arrivals(load), clock, stop, enough)

    await stand_by(folder, play, _emit, stop)


async def _run(load: Load, arrivals: Sequence[Arrival], clock: LabClock) -> Summary:
    return await _play(load, arrivals, clock, _told_to_stop())


def _told_to_stop() -> asyncio.Event:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _play(
    load: Load,
    arrivals: Sequence[Arrival],
    clock: LabClock,
    stop: asyncio.Event,
    enough: asyncio.Event | None = None,
) -> Summary:
    late_ns = clock.now_ns() - load.start_lab_ns
    if late_ns > 0:
        print(f"ntplab-buyers: the load started {late_ns / 1e9:.3f} s ago", file=sys.stderr)
    _emit({"t": "load", "phase": load.phase, "seed": load.seed, "arrivals": len(arrivals)})
    summary = await run_load(load, arrivals, clock, _emit, stop, enough)
    _emit(
        {
            "t": "done",
            "attempts": summary.attempts,
            "unsent": summary.unsent,
            "interrupted": summary.interrupted,
        }
    )
    return summary


def _print_arrivals(load: Load, arrivals: Sequence[Arrival]) -> None:
    for arrival in arrivals:
        _emit({"t": "arrival", **vars(arrival), "due_ns": load.start_lab_ns + arrival.due_ns})


def _emit(document: Mapping[str, Any]) -> None:
    # One write per line: whoever reads the pipe never sees two lines mixed.
    sys.stdout.write(json.dumps(document, separators=(",", ":")) + "\n")
    sys.stdout.flush()


def _anchor() -> int:
    text = os.environ.get(ANCHOR_VARIABLE, "")
    try:
        return int(text)
    except ValueError:
        what = f"expected the anchor of lab time in ns, got {text!r}"
        raise LoadError([f"{ANCHOR_VARIABLE}: {what}"]) from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ntplab-buyers",
        description="Send the load that LOAD describes, each arrival when it is due in lab time, "
        "and print every attempt as a JSON document.",
        epilog=f"{ANCHOR_VARIABLE} must hold the anchor of lab time. SIGTERM stops the load: what "
        "is in flight is recorded as interrupted.",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "load", type=Path, nargs="?", metavar="LOAD", help="the load to send (load.json)"
    )
    what.add_argument(
        "--serve", type=Path, metavar="DIR", help="stay, and send every load put into this folder"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="print the arrivals that were drawn, send nothing"
    )
    return parser
