"""Messages of a phase: nodes' own counters at its beginning and end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from .facts import Account

OTHERS = ("forwarded", "seen before")
"""Counters that are not of messages a node made."""
SNAPSHOT_KINDS = ("SNAP_ASK", "SNAP", "STATE", "PREPOST", "SNAP_DONE")


@dataclass(frozen=True)
class Traffic:
    """By kind what nodes made, and how many of others' they passed on."""

    made: Counter[str]
    forwarded: int

    @property
    def messages(self) -> int:
        return self.made.total()

    @property
    def transmissions(self) -> int:
        return self.messages + self.forwarded

    @property
    def of_snapshots(self) -> int:
        return sum(self.made[kind] for kind in SNAPSHOT_KINDS)


def measure(begin: Sequence[Account], end: Sequence[Account]) -> Traffic | None:
    """None when a node is missing, or was restarted: its counters began anew."""
    before = {account.node: account for account in begin}
    total: Counter[str] = Counter()
    for account in end:
        start = before.pop(account.node, None)
        if start is None or start.incarnation != account.incarnation:
            return None
        total.update(account.status["messages"])
        total.subtract(start.status["messages"])
    if before or not end:
        return None
    made = Counter({kind: n for kind, n in total.items() if kind not in OTHERS})
    return Traffic(made, total["forwarded"])
