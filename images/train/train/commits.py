"""How many times a state was written, beside its database: what tells that some of it is lost.

SQLite takes a damaged or shortened write-ahead log for one that ends where it can be read no
further, and an old copy of a database for a good one. Either would take a node back to what it was
before messages that its neighbors have: an office would sell a ticket again. So the database's own
number of its last transaction must not be below the number here, which follows every commit.

The number stands in one line that is overwritten in place by one pwrite(2): a process that is
killed leaves the old line or the new one.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path


class Commits:
    """The file at `path`. Raises `OSError`."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def write(self, count: int) -> None:
        """From now on, at least so many transactions have to be there."""
        os.pwrite(self._file, _line(count), 0)

    def close(self) -> None:
        os.close(self._file)


def read_commits(path: Path) -> int:
    """The number in the file. Raises `OSError`, or `ValueError` for anything that is no such
    line."""
    line = path.read_bytes()
    count = int(line[:20])
    if line != _line(count):
        raise ValueError("the line is damaged")
    return count


def _line(count: int) -> bytes:
    text = f"{count:020d}"
    return f"{text} {zlib.crc32(text.encode()):08x}\n".encode()
