"""lease-monotonic: the end of a lease is a monotonic reading, compared on another machine.

The inequality of lease with uptimes instead of clock errors: U is how long a machine says it
has been up, and no NTP moves it.

    U_B - U_A > left, and A confirms after B took the seat
"""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from ..claims import Claim
from ..clocks import Theta
from .base import Explanation, Injected, Model, Window, World, lacking, neighbours, span_text
from .lease import any_pair, explain_by, reach, taken_over, taken_over_by_column

INEQUALITY = "U_B - U_A > left, and A confirms after B took the seat"


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """Put the machines' uptimes into the inequality of lease."""
    if not {a.server, b.server} <= world.monotonic_ns.keys():
        what = "the uptimes of the servers are not on record"
        return lacking(a, b, INEQUALITY, "undetermined", what)
    found = explain_by(_monotonic, a, b, world)
    if found.status == "undetermined" or not found.numbers_ns:
        return found
    apart_ns, left_ns = found.numbers_ns["skew"] or 0, found.numbers_ns["left"] or 0
    words = (
        f"Seat {a.seat}: {a.server} held it for {a.buyer}, with {span_text(left_ns)} left by its "
        f"own monotonic clock when {b.server} came for {b.buyer}; but {b.server}'s machine says "
        f"it has been up {span_text(apart_ns)} longer, so that the end of the lease looked long "
        f"past, and {a.server} confirmed after that: U_B - U_A = {span_text(apart_ns)} against "
        f"{span_text(left_ns)} left."
    )
    return Explanation(
        status=found.status,
        cause="" if found.reason else "monotonic-clocks-of-two-machines",
        inequality=INEQUALITY,
        numbers_ns=found.numbers_ns,
        words=words + (f" That does not explain it: {found.reason}." if found.reason else ""),
        reason=found.reason,
    )


def _monotonic(world: World, server: str, _lab_ns: int) -> Theta | None:
    return Theta(world.monotonic_ns[server], 0)


def opportunity(claims: Sequence[Claim], injected: Injected) -> bool:
    """Whether a claim came while another's lease lived, on a machine that has been up longer."""
    return any_pair(claims, injected, _in_window)


def _in_window(a: Claim, b: Claim, injected: Injected) -> bool:
    up_ns = injected.monotonic_ns
    apart_ns = up_ns.get(b.server, 0) - up_ns.get(a.server, 0)
    return taken_over(a, b, apart_ns, injected.ttl_ns)


WINDOW = Window(lambda _injected: taken_over_by_column(pl.col("uptime_ns")), reach)

MODEL = Model(explain, opportunity, neighbours, WINDOW)
