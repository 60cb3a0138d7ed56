"""What a node is told at its start: from a JSON file (the lab) or from options (by hand). Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .node import Node, Settings, new_client, new_office
from .office import HoldClock, Protocol, Rules
from .plain import restore
from .tcp import Address
from .ticket import BadValueError


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
    port: int = 7000
    neighbors: Mapping[str, Address] = field(default_factory=dict)
    seed: int = 1

    def __post_init__(self) -> None:
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
    """Raises `BadValueError` naming the place."""
    try:
        content: Any = json.loads(text)
    except ValueError as error:
        raise BadValueError(f"not JSON: {error}") from error
    return restore(Config, content, "config")
