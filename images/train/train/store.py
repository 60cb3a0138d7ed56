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
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
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
_TOTAL = "total"
"""The row that says how many others there are, and the sum of their checksums."""
_NOTHING = [0, 0]
_PUT = "INSERT OR REPLACE INTO state VALUES (?, ?, ?)"


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
        elif path.stat().st_size == 0:
            raise self._damaged("the file is empty")
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            (health,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
        except sqlite3.OperationalError as error:
            raise StoreError(f"{path}: {error}") from error
        except (sqlite3.Error, ValueError) as error:
            raise self._damaged(str(error)) from error
        if health != "ok":
            raise self._damaged(health)
        if version != SCHEMA:
            raise self._damaged(f"its schema is {version}; this program knows {SCHEMA}")
        self._prepare()

    def _prepare(self) -> None:
        """Only now: the first of these would write into a file that is not ours."""
        try:
            self._db.execute("PRAGMA journal_mode=WAL")
            # Survives the death of the process, not of the machine: containers share the latter.
            self._db.execute("PRAGMA synchronous=NORMAL")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def close(self) -> None:
        """End with everything in the main file."""
        self._db.close()

    def load(self) -> Node | None:
        """The node that was saved, None in a new file. Raises `StoreError`."""
        rows: dict[str, Any] = {}
        total = _NOTHING
        try:
            for key, text, crc in self._db.execute("SELECT key, value, crc FROM state"):
                if crc != _crc(key, text):
                    raise self._damaged(f"the row {key!r} does not fit its sum")
                rows[key] = json.loads(text)
                if key != _TOTAL:
                    total = _plus(total, 1, crc)
            if rows.pop(_TOTAL, None) != total:
                raise self._damaged("rows are missing")
            return _node(rows) if rows else None
        except (sqlite3.Error, ValueError, KeyError) as error:
            raise self._damaged(repr(error)) from error

    def save(self, old: Node | None, new: Node) -> None:
        """Write what of `new` differs from `old`, in one transaction. Raises `StoreError`."""
        if old is new:
            return
        changed, gone = _difference(old, new)
        if not changed and not gone:
            return
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                self._write([(key, text_of(value)) for key, value in changed], gone)
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def _write(self, changed: list[tuple[str, str]], gone: list[str]) -> None:
        """Put rows, remove others, and keep the total of all right: a row that is lost shows."""
        total = json.loads(self._row(_TOTAL)[0])
        for key in (*(key for key, _ in changed), *gone):
            old = self._row(key)
            if old is not None:
                total = _plus(total, -1, -old[1])
        rows = [(key, text, _crc(key, text)) for key, text in changed]
        for _, _, crc in rows:
            total = _plus(total, 1, crc)
        text = json.dumps(total)
        self._db.executemany("DELETE FROM state WHERE key = ?", [(key,) for key in gone])
        self._db.executemany(_PUT, [*rows, (_TOTAL, text, _crc(_TOTAL, text))])

    def _row(self, key: str) -> Any:
        """(value, crc), None when there is no such row."""
        found = self._db.execute("SELECT value, crc FROM state WHERE key = ?", (key,))
        return found.fetchone()

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
            text = json.dumps(_NOTHING)
            new.execute(_PUT, (_TOTAL, text, _crc(_TOTAL, text)))
            new.execute(f"PRAGMA user_version={SCHEMA}")
        beside.replace(path)
    except (sqlite3.Error, OSError) as error:
        raise StoreError(f"{path}: {error}") from error


def _difference(old: Node | None, new: Node) -> tuple[list[tuple[str, Any]], list[str]]:
    """Rows to write, and keys of rows to remove.

    States are never changed in place: what is the same object is the same, and an event leaves
    most of a node as it was.
    """
    changed: list[tuple[str, Any]] = []
    gone: list[str] = []
    for growing in _GROWING:
        before, after = _mapping(old, growing), _mapping(new, growing)
        if before is after:
            continue
        for key, value in after.items():
            was = before.get(key)
            if was is not value and was != value:
                changed.append((f"{growing.name}/{key}", value))
        gone += [f"{growing.name}/{key}" for key in before if key not in after]
    if old is None or not _same_rest(old, new):
        changed.append((_REST, _rest(new)))
    return changed, gone


def _mapping(node: Node | None, growing: _Growing) -> Mapping[Any, Any]:
    holder = getattr(node, growing.holder, None) if growing.holder else node
    mapping: Mapping[Any, Any] = {} if holder is None else getattr(holder, growing.name)
    return mapping


def _same_rest(old: Node, new: Node) -> bool:
    """Whether all but the growing mappings is the same; the cheap fields are looked at first."""
    plain_fields = all(getattr(old, name) == getattr(new, name) for name in _PLAIN_FIELDS)
    return plain_fields and all(
        getattr(old, name) is getattr(new, name) or _rest(old) == _rest(new)
        for name in ("office", "client")
    )


_PLAIN_FIELDS = tuple(
    field.name
    for field in fields(Node)
    if field.name not in ("office", "client", *(g.name for g in _GROWING if g.holder is None))
)


def _rest(node: Node) -> Node:
    """The node without its growing mappings."""
    for growing in _GROWING:
        if growing.holder is None or getattr(node, growing.holder) is not None:
            node = _with(node, growing, {})
    return node


def _node(rows: Mapping[str, Any]) -> Node:
    """The node that was taken apart into rows."""
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


def _plus(total: list[int], rows: int, crc: int) -> list[int]:
    return [total[0] + rows, (total[1] + crc) % 2**62]


def _crc(key: str, text: str) -> int:
    return zlib.crc32(f"{key}\0{text}".encode())
