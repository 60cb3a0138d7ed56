"""A run that is going on, read from its directory as it grows, whoever runs it.

Its files are append-only JSON lines; sealing replaces them by Parquet, but what was opened
before stays readable to its end.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..evidence import RunDirectory

LOOK_EVERY_S = 0.04
FEEDING = ("events", "clock", "belief", "attempts", "ticket_events", "train_snapshots")
LAST = ("run.ended", "run.interrupted")
READ_MAX = 1 << 20

Feed = Callable[[str, Iterable[Mapping[str, Any]]], None]


class GrowingFile:
    """Whole new lines of one JSON Lines file, as documents; patient with a file not there yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None
        self._rest = b""

    def read(self) -> list[dict[str, Any]]:
        """What was appended since the last call, at most a megabyte of it."""
        if self._file is None:
            try:
                self._file = self.path.open("rb")
            except FileNotFoundError:
                return []
        *lines, self._rest = (self._rest + self._file.read(READ_MAX)).split(b"\n")
        return [json.loads(line) for line in lines if line]

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


class Tail:
    """Feeds what a run records to `feed`, until it has ended; then calls `at_end` once."""

    def __init__(self, run: RunDirectory, feed: Feed, at_end: Callable[[], None]) -> None:
        self._feed, self._at_end = feed, at_end
        self._files = {
            "events": GrowingFile(run.path / "events.jsonl"),
            **{name: GrowingFile(run.evidence / f"{name}.jsonl") for name in FEEDING[1:]},
        }
        self._stop = threading.Event()
        self._ended = False
        self.thread = threading.Thread(target=self._follow, name="ui-tail", daemon=True)

    def start(self) -> Tail:
        self.thread.start()
        return self

    def stop(self) -> None:
        self._stop.set()
        self.thread.join(5)

    def look(self) -> bool:
        """Feed what is new; whether anything was."""
        found = {name: file.read() for name, file in self._files.items()}
        for name, rows in found.items():
            if rows:
                self._feed(name, rows)
        self._ended |= any(row.get("event") in LAST for row in found["events"])
        return any(found.values())

    def _follow(self) -> None:
        try:
            while not self._stop.is_set():
                if not self.look() and self._ended:
                    self._at_end()
                    return
                self._stop.wait(LOOK_EVERY_S)
        finally:
            for file in self._files.values():
                file.close()
