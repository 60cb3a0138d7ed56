"""A node as rows of text, so that an event writes only what it changed; for `store.py`. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from .channel import Link
from .client import Outcome
from .node import Node, Seen
from .office_state import Sale
from .plain import restore
from .ticket import Ticket

REST = "node"
"""The row with everything that does not grow."""


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


def difference(old: Node | None, new: Node) -> tuple[list[tuple[str, Any]], list[str]]:
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
        changed.append((REST, _rest(new)))
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


def node_of(rows: Mapping[str, Any]) -> Node:
    """The node that was taken apart into rows. Raises `BadValueError`, `KeyError`."""
    node = restore(Node, rows[REST])
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
