"""What a node is told at its start: from a JSON file (the lab) or from options (by hand). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .envelope import check_node_name
from .node import Node, Settings, new_client, new_office
from .office_state import HoldClock, Protocol, Rules
from .plain import plain, restore
from .ticket import BadValueError


@dataclass(frozen=True, slots=True)
class Address:
    """Where a node listens."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Config:
    """One node. `clients` and the rules are the office's; `neighbors` are TCP's."""

    name: str
    office: str
    clients: frozenset[str] = frozenset()
    protocol: Protocol = Protocol.CONFIRMED
    hold_clock: HoldClock = HoldClock.MONOTONIC
    hold_ns: int = 5_000_000_000
    auto_confirm: bool = True
    settings: Settings = field(default_factory=Settings)
    listen: str = "0.0.0.0"
    port: int = 7000
    neighbors: Mapping[str, Address] = field(default_factory=dict)
    seed: int = 1

    def __post_init__(self) -> None:
        check_node_name(self.name)
        check_node_name(self.office)
        if self.hold_ns <= 0:
            raise BadValueError("a hold lasts more than nothing")

    @property
    def is_office(self) -> bool:
        return self.name == self.office

    def rules(self) -> Rules | None:
        """None at a client."""
        if not self.is_office:
            return None
        return Rules(self.name, self.protocol, self.hold_clock, self.hold_ns)

    def birth(self) -> Node:
        """The node as it is before its first event."""
        rules = self.rules()
        if rules is not None:
            return new_office(rules, self.clients)
        return new_client(self.name, self.office, auto_confirm=self.auto_confirm)


def read_config(text: str) -> Config:
    """`name` and `office` are needed, the rest has defaults: `Config` and `Settings` say which.

    `neighbors` is an object of `{"host": …, "port": …}` by node. Raises `BadValueError` naming the
    place.
    """
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise BadValueError(f"not JSON: {error}") from error
    if not isinstance(content, dict):
        raise BadValueError("config: expected an object")
    if missing := [name for name in ("name", "office") if name not in content]:
        raise BadValueError(f"config: missing: {', '.join(missing)}")
    whole = _DEFAULTS | content
    for name in ("settings", "neighbors"):
        if not isinstance(content.get(name, {}), dict):
            raise BadValueError(f"config.{name}: expected an object")
    whole["settings"] = plain(Settings()) | content.get("settings", {})
    whole["neighbors"] = list(map(list, content.get("neighbors", {}).items()))
    return restore(Config, whole, "config")


_DEFAULTS = plain(Config("office", "office"))
