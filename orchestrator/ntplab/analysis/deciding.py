"""Whether an explanation holds for every clock error that the evidence leaves open.

In a lab clocks are known to a microsecond and all times are one machine's. On hosts of their own
both are known to within half a round trip of a probe. Each policy's condition is a conjunction of
linear inequalities in the divergences and the times, so what holds at all corners of the box that
they may lie in holds inside it too. What holds at some corners only is undecided, and is said to
be: never explained.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from .claims import Claim
from .explain import Explanation, Model, World
from .explain.base import span_text


def decided(model: Model, a: Claim, b: Claim, world: World) -> Explanation:
    """`model.explain`, or undetermined where the uncertainty of the evidence decides it."""
    stated = model.explain(a, b, world)
    if not world.lab_errors_ns or stated.status == "undetermined":
        return stated
    every = [stated, *_corners(model, a, b, world)]
    found = {(one.status, one.cause) for one in every}
    if len(found) == 1:
        return stated
    known = [theta for c in (a, b) if (theta := world.theta(c.server, c.time_ns)) is not None]
    margin_ns = sum(theta.error_ns for theta in known) + world.apart_error_ns(a.server, b.server)
    reason = (
        f"the clocks are not known well enough to decide it (to {span_text(margin_ns)} together)"
    )
    return replace(
        stated,
        status="undetermined",
        cause="",
        reason=reason,
        words=f"{stated.words} Undecided: {reason}.",
    )


def _corners(model: Model, a: Claim, b: Claim, world: World) -> Iterator[Explanation]:
    """The explanation with every divergence and every server's times at their limits."""
    servers = sorted({a.server, b.server})
    limits = list(product((-1, 1), repeat=len(servers)))
    for leaning, late in product(limits, limits):
        world_there = replace(world, leaning=dict(zip(servers, leaning, strict=True)))
        by_ns = {
            server: side * world.lab_errors_ns.get(server, 0)
            for server, side in zip(servers, late, strict=True)
        }
        first, second = sorted(
            (_moved(a, by_ns), _moved(b, by_ns)), key=lambda claim: claim.time_ns
        )
        yield model.explain(first, second, world_there)


def _moved(claim: Claim, by_ns: dict[str, int]) -> Claim:
    """The claim with what each server noted of it moved; buyers note lab time itself."""

    def moved(server: str, time_ns: int | None) -> int | None:
        return None if time_ns is None else time_ns + by_ns.get(server, 0)

    received_ns = {s: at_ns + by_ns.get(s, 0) for s, at_ns in claim.received_ns.items()}
    return replace(
        claim,
        claimed_ns=moved(claim.server, claim.claimed_ns),
        decided_ns=moved(claim.server, claim.decided_ns),
        received_ns=received_ns,
    )
