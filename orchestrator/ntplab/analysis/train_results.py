"""The train system's part of results.json. `results.py` has the whole; see there for the marks.

A *double sale*: two clients own one ticket in one generation (loading a snapshot begins the next).
A *resale*: a client's second request gets it the very ticket that it owns already, from its first.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

_NOT_EXPECTABLE: dict[str, Any] = {"expect": False}

Cause = Literal["late-receipt", "clock-step", "reclaimed", ""]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Ownership(_Model):
    """How one client came to own a ticket."""

    client: str
    request: int | None
    held_lab_ns: int | None
    """when the office held it for the client"""
    owned_lab_ns: int
    """when the client owned it"""


class DoubleSale(_Model):
    """One ticket that two clients own, and why that could be; or one client, by two requests."""

    ticket: int
    generation: int
    first: Ownership
    second: Ownership
    status: Literal["explained", "unexplained"]
    cause: Cause
    inequality: str
    numbers_ns: dict[str, int | None]
    words: str
    reason: str
    """why it is not explained; empty when it is"""

    @property
    def since_lab_ns(self) -> int:
        """From when on it was so: the second sale's owner may have its ticket first."""
        return max(self.first.owned_lab_ns, self.second.owned_lab_ns)

    @property
    def to_its_owner(self) -> bool:
        """Whether it is a resale."""
        return self.first.client == self.second.client


class Snapshots(_Model):
    """Snapshots taken in the phase, judged as cuts; and loads, judged against the cut."""

    taken: int = 0
    seconds_max: float | None = None
    """from the first record to the file"""
    messages: int | None = None
    """extra ones: SNAP, STATE, PREPOST, SNAP_DONE, as nodes made them"""
    crossing: int = 0
    """application messages that cross the cuts"""
    inconsistent: int = 0
    loads: int = 0
    load_seconds_max: float | None = None
    load_differences: int = 0
    """what is not as the cut and all that happened since the load say"""
    problems: list[str] = Field(default_factory=list, json_schema_extra=_NOT_EXPECTABLE)


class TrainFigures(_Model):
    """One phase of the train system, judged from the nodes' facts.

    `messages`: made by nodes, retries and acknowledgments included; `transmissions`: let out by
    them, others' included. By flooding each message is let out once by each node at most, so
    `flooding_bound_per_reservation` is messages times nodes over reservations.
    """

    nodes: int = 0
    sold: int = 0
    """reservations: tickets that clients came to own"""
    reservations_per_s: float = 0.0
    requests: int = 0
    requests_ended: int = 0
    requests_open: int = 0
    """of living clients, when the phase ended"""
    refused: int = 0
    holds_expired: int = 0
    hold_clock_steps: int = 0
    """holds that expired earlier than they should: the hold clock was moved"""
    receipt_conflicts: int = 0
    double_sales: int = 0
    """tickets that two clients own"""
    resales: int = 0
    """tickets that were sold again to the client that owned them"""
    unexplained: int = 0
    """of both; `by_...` as well"""
    by_late_receipt: int = 0
    by_clock_step: int = 0
    by_reclaim: int = 0
    contradictions: int = 0
    """owned tickets that the office has not sold to that client"""
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    """from a request to owning the ticket"""
    messages: int | None = None
    transmissions: int | None = None
    messages_per_reservation: float | None = None
    transmissions_per_reservation: float | None = None
    flooding_bound_per_reservation: float | None = None
    bound_share: float | None = None
    """transmissions over the bound; at most 1"""
    snapshots: Snapshots = Field(default_factory=Snapshots)
    double_sale_details: list[DoubleSale] = Field(
        default_factory=list, json_schema_extra=_NOT_EXPECTABLE
    )
    chains: dict[str, list[str]] = Field(default_factory=dict, json_schema_extra=_NOT_EXPECTABLE)
    """per ticket that moved in the phase: whom it was held for and went to, in order"""
    missing: list[str] = Field(default_factory=list, json_schema_extra=_NOT_EXPECTABLE)
