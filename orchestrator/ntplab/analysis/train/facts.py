"""The train system's evidence as objects: facts, accounts of nodes, snapshots, rules."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ...evidence import Evidence, Manifest


@dataclass(frozen=True)
class Fact:
    """What a node said happened. Times of three clocks: lab time, its wall and monotonic clock."""

    lab_ns: int
    node: str
    event: str
    ticket_id: int | None = None
    client: str | None = None
    request: int | None = None
    generation: int = 0
    wall_ns: int = 0
    monotonic_ns: int = 0


@dataclass(frozen=True)
class Account:
    """A node's own account of itself, when a phase began or ended."""

    phase: str
    moment: str
    lab_ns: int
    node: str
    generation: int
    incarnation: int
    status: dict[str, Any]
    tickets: list[dict[str, Any]]


@dataclass(frozen=True)
class Taken:
    """A snapshot's document."""

    lab_ns: int
    epoch: int
    document: dict[str, Any]


@dataclass(frozen=True)
class Rules:
    """What the office was told."""

    office: str
    nodes: tuple[str, ...]
    protocol: str
    hold_clock: str
    hold_ns: int

    def hold_clock_ns(self, fact: Fact) -> int:
        """The hold clock's reading at a fact of the office."""
        return fact.wall_ns if self.hold_clock == "wall" else fact.monotonic_ns


@dataclass(frozen=True)
class TrainEvidence:
    """Everything, facts in the order of lab time."""

    rules: Rules
    facts: Sequence[Fact]
    accounts: Sequence[Account]
    snapshots: Sequence[Taken]

    def within(self, start_ns: int, end_ns: int) -> list[Fact]:
        """Facts of a span of lab time, its end left out."""
        return [fact for fact in self.facts if start_ns <= fact.lab_ns < end_ns]


def is_train(manifest: Manifest) -> bool:
    """Whether the run was of the train system."""
    return isinstance(manifest.plan, dict) and bool(manifest.plan.get("train"))


def load_train(evidence: Evidence, manifest: Manifest) -> TrainEvidence | None:
    """The evidence of a train system's run; None for a concert."""
    if not is_train(manifest):
        return None
    plan = manifest.plan["train"]
    rules = Rules(
        office=plan["office"],
        nodes=(plan["office"], *plan["clients"]),
        protocol=plan["protocol"],
        hold_clock=plan["hold_clock"],
        hold_ns=plan["hold_ns"],
    )
    return TrainEvidence(
        rules,
        sorted(map(_fact, _rows(evidence, "ticket_events")), key=lambda fact: fact.lab_ns),
        [_account(row) for row in _rows(evidence, "ticket_states")],
        [
            Taken(row["lab_ns"], row["epoch"], json.loads(row["document"]))
            for row in _rows(evidence, "train_snapshots")
        ],
    )


def _rows(evidence: Evidence, table: str) -> Iterable[dict[str, Any]]:
    return (row for batch in evidence.batches(table) for row in batch.to_pylist())


def _fact(row: dict[str, Any]) -> Fact:
    names = ("lab_ns", "node", "event", "ticket_id", "client", "request")
    fields: dict[str, Any] = {name: row[name] for name in names}
    fields |= {name: row[name] or 0 for name in ("generation", "wall_ns", "monotonic_ns")}
    return Fact(**fields)


def _account(row: dict[str, Any]) -> Account:
    names = ("phase", "moment", "lab_ns", "node", "generation", "incarnation")
    return Account(
        **{name: row[name] for name in names},
        status=json.loads(row["status"]),
        tickets=json.loads(row["tickets"]),
    )
