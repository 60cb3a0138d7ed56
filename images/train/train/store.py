"""A node's durable state: one SQLite file, one row per entry, so that an event writes little.

The file is written before anything of an event is let out (`host.py`), so a node killed at any
instant comes back as its neighbors know it. Every row has a checksum: a damaged file is refused,
and never guessed at.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .channel import Link
from .client import Outcome
from .errors import DamagedError, StoreError
from .node import Node, Seen
from .office import Sale
from .plain import restore, text_of
from .ticket import Ticket

SCHEMA = 1
_REST = "node"


@dataclass(frozen=True)
class _Growing:
    """A mapping of the node's that grows: each entry is a row of its own."""

    holder: str | None
    """The field of the node that the mapping is a field of; None: the node itself."""
    name: str
    key_type: type[Any]
    value_type: Any


_GROWING = (
    _Growing("office", "sales", int, Sale),
    _Growing("office", "answered", str, int),
    _Growing("client", "owned", int, Ticket),
    _Growing("client", "outcomes", int, Outcome),
    _Growing(None, "seen", str, Seen),
    _Growing(None, "links", str, Link),
)


class Store:
    """The file at `path`, made when it is not there. Raises `StoreError`.

    A damaged one raises `DamagedError` and is left as it is.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        if not path.exists():
            _make(path)
        try:
            self._db = _opened(path)
            (health,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
        except sqlite3.OperationalError as error:
            raise StoreError(f"{path}: {error}") from error
        except sqlite3.Error as error:
            raise self._damaged(str(error)) from error
        if health != "ok":
            raise self._damaged(health)
        if version != SCHEMA:
            raise self._damaged(f"its schema is {version}; this program knows {SCHEMA}")

    def close(self) -> None:
        """End with everything in the main file."""
        self._db.close()

    def load(self) -> Node | None:
        """The node that was saved, None in a new file. Raises `StoreError`."""
        rows: dict[str, Any] = {}
        try:
            for key, text, crc in self._db.execute("SELECT key, value, crc FROM state"):
                if crc != _crc(key, text):
                    raise self._damaged(f"the row {key!r} does not fit its sum")
                rows[key] = json.loads(text)
            return _node(rows) if rows else None
        except (sqlite3.Error, ValueError, KeyError) as error:
            raise self._damaged(repr(error)) from error

    def save(self, old: Node | None, new: Node) -> None:
        """Write what of `new` differs from `old`, in one transaction. Raises `StoreError`."""
        before = dict(_rows(old)) if old is not None else {}
        after = dict(_rows(new))
        changed = [key for key in after if key not in before or _differs(before[key], after[key])]
        gone = [(key,) for key in before if key not in after]
        if not changed and not gone:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                for key in changed:
                    text = text_of(after[key])
                    self._db.execute(
                        "INSERT OR REPLACE INTO state VALUES (?, ?, ?)",
                        (key, text, _crc(key, text)),
                    )
                self._db.executemany("DELETE FROM state WHERE key = ?", gone)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def _damaged(self, why: str) -> DamagedError:
        return DamagedError(
            f"{self._path}: the node's state is damaged: {why}",
            "it was left as it is; move it away and load a snapshot to go back to one",
        )


def _make(path: Path) -> None:
    """An empty database, whole or not at all: a file that is there is never taken for new."""
    beside = path.with_name(f".{path.name}.new")
    try:
        beside.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(beside, isolation_level=None)) as new:
            new.execute(
                "CREATE TABLE state"
                " (key TEXT PRIMARY KEY, value TEXT NOT NULL, crc INTEGER NOT NULL) WITHOUT ROWID"
            )
            new.execute(f"PRAGMA user_version={SCHEMA}")
        beside.replace(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {error}") from error


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode=WAL")
    # Survives the death of the process, not of the machine: containers share the latter.
    db.execute("PRAGMA synchronous=NORMAL")
    return db


def _differs(before: Any, after: Any) -> bool:
    """States are never changed in place, so what is the same object is the same."""
    return before is not after and before != after


def _rows(node: Node) -> Iterator[tuple[str, Any]]:
    """The entries of the growing mappings, then the rest of the node as one row."""
    rest = node
    for growing in _GROWING:
        holder = getattr(node, growing.holder) if growing.holder else node
        if holder is not None:
            mapping: Mapping[Any, Any] = getattr(holder, growing.name)
            yield from ((f"{growing.name}/{key}", value) for key, value in mapping.items())
            rest = _with(rest, growing, {})
    yield _REST, rest


def _node(rows: Mapping[str, Any]) -> Node:
    """The node that `_rows` took apart."""
    node = restore(Node, rows[_REST])
    for growing in _GROWING:
        if growing.holder is None or getattr(node, growing.holder) is not None:
            prefix = growing.name + "/"
            entries = {
                growing.key_type(key.removeprefix(prefix)): restore(growing.value_type, value, key)
                for key, value in rows.items()
                if key.startswith(prefix)
            }
            node = _with(node, growing, dict(sorted(entries.items())))
    return node


def _with(node: Node, growing: _Growing, mapping: Mapping[Any, Any]) -> Node:
    change: dict[str, Any] = {growing.name: mapping}
    if growing.holder is None:
        return replace(node, **change)
    change = {growing.holder: replace(getattr(node, growing.holder), **change)}
    return replace(node, **change)


def _crc(key: str, text: str) -> int:
    return zlib.crc32(f"{key}\0{text}".encode())
