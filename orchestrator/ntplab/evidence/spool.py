"""Evidence as it comes in: one append-only JSON Lines file per table, readable after any kill."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from .files import sync_folder, write_whole, writing
from .rundir import RunDirectory
from .schema import TABLES, to_row


class SpoolWriter:
    """Appends rows to `evidence/<table>.jsonl`. Safe to use from several threads.

    A batch reaches the kernel in one write, so a killed orchestrator loses nothing that
    `append` returned from; `sync` makes it survive a power cut too. A batch for which there is
    no room is left out whole, and `DiskError` raised.
    """

    def __init__(self, run: RunDirectory) -> None:
        self._run = run
        self._files: dict[str, BinaryIO] = {}
        self._locks = {table: threading.Lock() for table in TABLES}

    def append(self, table: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Append rows (keys that are no columns are left out); returns how many.

        Raises KeyError for an unknown table, TypeError or ValueError for a value of the
        wrong kind; then nothing of this call is written.
        """
        lines = [json.dumps(to_row(table, row), separators=(",", ":")) for row in rows]
        if not lines:
            return 0
        with self._locks[table]:
            file = self._open(table)
            with writing(Path(file.name)):
                write_whole(file.fileno(), ("\n".join(lines) + "\n").encode())
        return len(lines)

    def sync(self) -> None:
        """fsync every table and the events: call it at the end of a phase."""
        with writing(self._run.evidence):
            for table, file in list(self._files.items()):
                with self._locks[table]:
                    os.fsync(file.fileno())
            sync_folder(self._run.evidence)
        self._run.sync_events()

    def close(self) -> None:
        """`sync`, then close; writing again afterwards opens the files again."""
        try:
            self.sync()
        finally:
            for table, file in list(self._files.items()):
                with self._locks[table]:
                    file.close()
                    del self._files[table]

    def __enter__(self) -> SpoolWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _open(self, table: str) -> BinaryIO:
        if table not in self._files:
            path = self._run.evidence / f"{table}.jsonl"
            with writing(path):
                self._files[table] = path.open("ab", buffering=0)
        return self._files[table]
