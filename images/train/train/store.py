"""A node's durable state: one SQLite file, one row per entry, so that an event writes little.

The file is written before anything of an event is let out (`host.py`), so a node killed at any
instant comes back as its neighbors know it. Every row has a checksum, a row sums up all others, and
`commits.py` knows how much was written: a damaged file is refused, and never guessed at. It is
looked at in a copy, for SQLite mends what it opens.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import sqlite3
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .commits import Commits, read_commits
from .errors import DamagedError, StoreError
from .node import Node
from .plain import text_of
from .rows import difference, node_of

SCHEMA = 2
_TOTAL = "total"
"""The row that says how many others there are, the sum of their checksums, and how many
transactions there have been."""
_NOTHING = [0, 0, 0]
_PUT = "INSERT OR REPLACE INTO state VALUES (?, ?, ?)"
_LOG, _COMMITS = "-wal", "-commits"


class Store:
    """The file at `path`, and those beside it whose names begin with its; made when they are not
    there. Raises `StoreError`.

    A damaged one raises `DamagedError` and is left as it is, to the byte.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            if _is_new(path):
                _make(path)
            self._examine()
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode=WAL")
            # Survives the death of the process, not of the machine: containers share the latter.
            self._db.execute("PRAGMA synchronous=NORMAL")
            self._commits = Commits(_beside(path, _COMMITS))
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{path}: {error}") from error

    def close(self) -> None:
        """End with everything in the main file."""
        self._db.close()
        self._commits.close()

    def load(self) -> Node | None:
        """The node that was saved, None in a new file. Raises `StoreError`."""
        return self._read(self._db)[0]

    def _examine(self) -> None:
        """Look at everything in a copy: opening a database takes its log up and removes it."""
        wanted = self._wanted()
        with _copied(self._path) as copy, contextlib.closing(sqlite3.connect(copy)) as db:
            try:
                (health,) = db.execute("PRAGMA integrity_check(1)").fetchone()
                (version,) = db.execute("PRAGMA user_version").fetchone()
            except (sqlite3.Error, ValueError) as error:
                raise self._damaged(str(error)) from error
            if health != "ok":
                raise self._damaged(health)
            if version != SCHEMA:
                raise self._damaged(f"its schema is {version}; this program knows {SCHEMA}")
            _, commits = self._read(db)
        if commits < wanted:
            raise self._damaged(
                f"its last {wanted - commits} changes are missing: {self._path.name}{_LOG} is "
                "damaged, cut short or gone, or this is an old copy"
            )

    def _wanted(self) -> int:
        path = _beside(self._path, _COMMITS)
        try:
            if self._path.stat().st_size == 0:
                raise self._damaged("the file is empty")
            return read_commits(path)
        except FileNotFoundError as error:
            raise self._damaged(f"{Path(error.filename).name} is missing") from error
        except ValueError as error:
            raise self._damaged(f"{path.name}: {error}") from error

    def _read(self, db: sqlite3.Connection) -> tuple[Node | None, int]:
        """The node in a database, and how many transactions it has seen."""
        rows: dict[str, Any] = {}
        count = crcs = 0
        try:
            for key, text, crc in db.execute("SELECT key, value, crc FROM state"):
                if crc != _crc(key, text):
                    raise self._damaged(f"the row {key!r} does not fit its sum")
                rows[key] = json.loads(text)
                if key != _TOTAL:
                    count, crcs = count + 1, crcs + crc
            *sums, commits = rows.pop(_TOTAL, None) or [None]
            if sums != [count, crcs]:
                raise self._damaged("rows are missing")
            return (node_of(rows) if rows else None), int(commits)
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            raise self._damaged(repr(error)) from error

    def save(self, old: Node | None, new: Node) -> None:
        """Write what of `new` differs from `old`, in one transaction. Raises `StoreError`."""
        if old is new:
            return
        changed, gone = difference(old, new)
        if not changed and not gone:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                commits = self._write([(key, text_of(value)) for key, value in changed], gone)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
            self._commits.write(commits)
        except (sqlite3.Error, OSError) as error:
            raise StoreError(f"{self._path}: {error}") from error

    def _write(self, changed: list[tuple[str, str]], gone: list[str]) -> int:
        """Put rows, remove others, and keep the total of all right: a row that is lost shows.
        Returns the transaction's number."""
        count, crcs, commits = json.loads(self._row(_TOTAL)[0])
        for key in (*(key for key, _ in changed), *gone):
            old = self._row(key)
            if old is not None:
                count, crcs = count - 1, crcs - old[1]
        rows = [(key, text, _crc(key, text)) for key, text in changed]
        total = [count + len(rows), crcs + sum(crc for _, _, crc in rows), commits + 1]
        self._db.executemany("DELETE FROM state WHERE key = ?", [(key,) for key in gone])
        self._db.executemany(_PUT, [*rows, _total_row(total)])
        return int(total[-1])

    def _row(self, key: str) -> Any:
        """(value, crc), None when there is no such row."""
        found = self._db.execute("SELECT value, crc FROM state WHERE key = ?", (key,))
        return found.fetchone()

    def _damaged(self, why: str) -> DamagedError:
        return DamagedError(
            f"{self._path}: the node's state is damaged: {why}",
            "it was left as it is. A node cannot go back alone: to go back to a snapshot, move "
            f"{self._path.name}* of every node away, start them all, and load it",
        )


def _beside(path: Path, ending: str) -> Path:
    return path.with_name(path.name + ending)


def _is_new(path: Path) -> bool:
    """Whether nothing was ever written here. The count is made first, so one of 0, or none in it
    yet, without a database is a node that was killed when it was born."""
    commits = _beside(path, _COMMITS)
    if path.exists() or _beside(path, _LOG).exists():
        return False
    if not commits.exists() or commits.stat().st_size == 0:
        return True
    with contextlib.suppress(ValueError):
        return read_commits(commits) == 0
    return False


@contextlib.contextmanager
def _copied(path: Path) -> Iterator[Path]:
    """The database and its log in a directory of their own, while it lasts."""
    directory = path.with_name(f".{path.name}.examined")
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir()
    try:
        shutil.copy(path, directory)
        log = _beside(path, _LOG)
        if log.exists():
            shutil.copy(log, directory)
        yield directory / path.name
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _make(path: Path) -> None:
    """An empty database, whole or not at all: a file that is there is never taken for new."""
    with contextlib.closing(Commits(_beside(path, _COMMITS))) as commits:
        commits.write(0)
    fresh = path.with_name(f".{path.name}.new")
    fresh.unlink(missing_ok=True)
    with contextlib.closing(sqlite3.connect(fresh, isolation_level=None)) as new:
        new.execute(
            "CREATE TABLE state"
            " (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID"
        )
        new.execute(_PUT, _total_row(_NOTHING))
        new.execute(f"PRAGMA user_version={SCHEMA}")
    fresh.replace(path)


def _total_row(total: list[int]) -> tuple[str, str, int]:
    text = json.dumps(total)
    return (_TOTAL, text, _crc(_TOTAL, text))


def _crc(key: str, text: str) -> int:
    return zlib.crc32(f"{key}\0{text}".encode())
