"""What a plan says about the train ticket system. Beside `plan.py`. Pure; times are ns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

TRAIN_PORT = 7000
TRAIN_CONFIG_PATH = "/etc/ntplab/train.json"


@dataclass(frozen=True)
class LinkPlan:
    """What a link does to each message; the delay is drawn evenly between the two."""

    delay_min_ns: int = 0
    delay_max_ns: int = 0
    loss: float = 0.0
    duplication: float = 0.0

    def request(self) -> dict[str, Any]:
        """As `ntplab-train`'s control socket takes it."""
        return {
            "do": "link",
            "loss": self.loss,
            "duplication": self.duplication,
            "delay_min_ns": self.delay_min_ns,
            "delay_max_ns": self.delay_max_ns,
        }

    def words(self) -> str:
        """For an event and a progress line."""
        if self == LinkPlan():
            return "nothing"
        low, high = self.delay_min_ns / 1e9, self.delay_max_ns / 1e9
        delay = f"delay {low:g}-{high:g} s" if high else ""
        loss = f"loss {self.loss:.0%}" if self.loss else ""
        twice = f"duplication {self.duplication:.0%}" if self.duplication else ""
        return ", ".join(filter(None, (delay, loss, twice)))


@dataclass(frozen=True)
class WishPlan:
    """What a client asks for; None: anything."""

    origin: str | None
    destination: str | None
    day: str | None


@dataclass(frozen=True)
class CustomersPlan:
    """What every client does while a phase runs. `requests` None: until it ends."""

    think_mean_ns: int
    requests: int | None
    wishes: tuple[WishPlan, ...]


@dataclass(frozen=True)
class TrainPlan:
    """The network of nodes, and what each is told."""

    office: str
    clients: tuple[str, ...]
    protocol: str
    hold_clock: str
    hold_ns: int
    auto_confirm: bool
    topology: str
    neighbors: dict[str, tuple[str, ...]]
    """whom each node sends to"""
    timetable: str
    """CSV, imported before the first phase"""
    links: LinkPlan
    retry_ns: int
    settings: dict[str, int | bool]
    """as `ntplab-train` takes them"""

    @property
    def nodes(self) -> tuple[str, ...]:
        """The office first."""
        return (self.office, *self.clients)

    def config(self, node: str, seed: int) -> dict[str, Any]:
        """The node's train.json."""
        own: dict[str, Any] = {"auto_confirm": self.auto_confirm}
        if node == self.office:
            own = {
                "clients": sorted(self.clients),
                "protocol": self.protocol,
                "hold_clock": self.hold_clock,
                "hold_ns": self.hold_ns,
            }
        return {
            "name": node,
            "office": self.office,
            **own,
            "settings": self.settings,
            "port": TRAIN_PORT,
            "neighbors": {
                peer: {"host": peer, "port": TRAIN_PORT} for peer in self.neighbors[node]
            },
            "seed": seed,
        }
