"""Each policy's condition for a double booking, one module per policy.

A policy without a module here can be run, but none of its double bookings is explained.
"""

from __future__ import annotations

from ..claims import Claim
from . import (
    commit_wait,
    hybrid_logical,
    last_write_wins,
    lease,
    lease_db_time,
    lease_fenced,
    lease_monotonic,
    timestamp_order,
    unique,
)
from .base import DATABASE, Explanation, Injected, Model, Window, World, every_pair, lacking

MODELS: dict[str, Model] = {
    "timestamp-order": timestamp_order.MODEL,
    "lease": lease.MODEL,
    "lease-fenced": lease_fenced.MODEL,
    "lease-db-time": lease_db_time.MODEL,
    "lease-monotonic": lease_monotonic.MODEL,
    "last-write-wins": last_write_wins.MODEL,
    "commit-wait": commit_wait.MODEL,
    "hybrid-logical": hybrid_logical.MODEL,
    "unique": unique.MODEL,
}


def _no_theory(a: Claim, b: Claim, world: World) -> Explanation:
    return lacking(a, b, "none", "unexplained", "there is no theory of this policy")


def model_of(policy: str) -> Model:
    """The theory of a policy; for an unknown one, a theory that explains nothing."""
    without = Model(
        _no_theory,
        timestamp_order.opportunity_without_wait,
        every_pair,
        timestamp_order.WINDOW_WITHOUT_WAIT,
    )
    return MODELS.get(policy, without)


__all__ = ["DATABASE", "MODELS", "Explanation", "Injected", "Model", "Window", "World", "model_of"]
