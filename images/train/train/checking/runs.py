"""What is checked, each with its bounds and what has to come out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..office_state import Protocol
from .protocol import ProtocolModel
from .search import Report, Search
from .system import SystemModel


@dataclass(frozen=True)
class Run:
    """`finds`: words of the flaw that must be found; None: nothing may be found."""

    name: str
    model: Any
    states_max: int
    finds: str | None = None
    steps: int | None = None
    """Of the shortest way to the flaw."""
    whole: bool = True
    """Every state within the bounds has to be visited, and each must have a way to rest."""

    def as_expected(self, report: Report) -> bool:
        if self.finds is not None:
            found = report.wrong is not None and self.finds in report.wrong
            return found and self.steps in (None, len(report.path))
        return report.wrong is None and report.stuck == 0 and report.exhausted >= self.whole


CONFIRMED, LITERAL = Protocol.CONFIRMED, Protocol.LITERAL
RUNS = (
    Run("literal", ProtocolModel(LITERAL), 50_000, "owned twice", 7),
    Run("confirmed-reclaimed", ProtocolModel(CONFIRMED, reclaims=True), 50_000, "has not given"),
    Run("confirmed", ProtocolModel(CONFIRMED), 50_000),
    Run("confirmed-two-tickets", ProtocolModel(CONFIRMED, tickets=2, removals=True), 50_000),
    Run(
        "confirmed-two-requests",
        ProtocolModel(CONFIRMED, requests=2, refusals=False), 40_000, whole=False,
    ),
    Run("restarts", SystemModel(restarts=1, repeats=True), 6_000, whole=False),
    Run("snapshot", SystemModel(snapshots=1), 40_000),
    Run("snapshot-two-clients", SystemModel(clients=2, snapshots=1), 6_000, whole=False),
    Run("load-alone", SystemModel(requests=0, snapshots=1, loads=1), 40_000),
    Run("snapshot-loaded", SystemModel(snapshots=1, loads=1), 5_000, whole=False),
    Run(
        "snapshot-loaded-restarts",
        SystemModel(snapshots=1, loads=1, restarts=1), 6_000, whole=False,
    ),
)  # fmt: skip


def check(run: Run, depth: int = 1) -> Report:
    """Search through one model; `depth` times as many states as usual, where there are more."""
    report: Report = Search(run.model, run.states_max * depth).run()
    return report
