"""`ntplab-train relay IN… --to OUT…`: what the air is between processes on FIFOs.

Every line of every IN is written to every OUT, whole, by one write(2) of at most PIPE_BUF bytes:
POSIX keeps those apart, however many write to one FIFO. `cat` and `tee` copy what a read happens to
return, and tear lines (`torn-lines.sh` counts them).
"""

from __future__ import annotations

import argparse
import os
import select
import sys
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from .errors import StoreError, UsageError
from .lines import LINE_BYTES_MAX, LineSplitter

LINE_MAX = min(LINE_BYTES_MAX + 1, select.PIPE_BUF)


def add(programs: Any) -> None:
    """The command line of `relay`."""
    parser = programs.add_parser(
        "relay", help="carry whole lines between FIFOs", allow_abbrev=False,
        description="Write every line of every IN to every OUT, whole, until every IN ends.",
    )  # fmt: skip
    parser.add_argument("inputs", metavar="IN", nargs="+", type=Path, help="FIFO or file")
    parser.add_argument(
        "--to", metavar="OUT", nargs="+", required=True, type=Path, help="FIFO or file"
    )
    parser.add_argument(
        "--keep-open", action="store_true",
        help="open FIFOs so that they never end: for a ring, where everybody waits for the other",
    )  # fmt: skip
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    kept = os.O_RDWR if arguments.keep_open else 0
    sources = [_opened(path, kept or os.O_RDONLY) for path in arguments.inputs]
    sinks = [_opened(path, kept or os.O_WRONLY) for path in arguments.to]
    skipped: Counter[str] = Counter()
    threads = [
        threading.Thread(target=carry, args=(source, sinks, skipped), daemon=True)
        for source in sources
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for reason, count in skipped.items():
        print(f"ntplab-train relay: {count} lines left out: {reason}", file=sys.stderr)
    return 0


def carry(source: int, sinks: list[int], skipped: Counter[str]) -> None:
    """Copy lines until `source` ends; a sink that nobody reads any more gets none."""
    splitter, open_sinks = LineSplitter(), list(sinks)
    while open_sinks and (data := os.read(source, 65536)):
        for line in splitter.feed(data):
            whole = line.encode() + b"\n"
            for sink in list(open_sinks):
                try:
                    write_whole(sink, whole)
                except BrokenPipeError:
                    open_sinks.remove(sink)
    skipped.update(splitter.rejected)


def write_whole(sink: int, line: bytes) -> None:
    """One write of a line of at most `LINE_MAX` bytes: all of it, and nothing between."""
    while line:
        try:
            line = line[os.write(sink, line) :]
        except BlockingIOError:
            select.select([], [sink], [])


def _opened(path: Path, how: int) -> int:
    try:
        return os.open(path, how | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: there is no such FIFO", f"mkfifo {path}") from error
    except OSError as error:
        raise StoreError(f"{path}: {error.strerror}") from error
