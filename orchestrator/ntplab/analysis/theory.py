"""What theory says must happen on a seat: arrivals, clocks and delays in, receipts out. Pure.

Each function plays one policy on the claims that were made on one seat, from what was measured
independently of any decision: when each claim came (lab time), by how much each clock was off, how
long news takes between servers, when each buyer means to confirm. `predicting.py` holds the outcome
against what was observed.

`lag_ns` is the replication delay of every message whose own was not measured. The rules are
those of docs/explanation/policies.md, written down a second time on purpose: the booking service
is not asked what it would have done.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

Receipts = frozenset[str]
"""the buyers who hold one"""


@dataclass(frozen=True, slots=True)
class Offer:
    """A claim as it came: nothing in it depends on what became of it."""

    buyer: str
    server: str
    at_ns: int
    confirm_ns: int | None = None
    """when the buyer would confirm a hold"""
    wait_ns: int | None = None
    """commit-wait: both clock bounds, as they were promised"""
    waited_ns: int | None = None
    """from coming to being decided, where that is on record"""
    reached_ns: Mapping[str, int] = field(default_factory=dict)
    """when news of it came to other servers, where that was measured"""


@dataclass(frozen=True)
class Conditions:
    """What was measured around the claims. `theta_ns(node, lab time)`: a clock's divergence;
    `monotonic_ns`: each server's monotonic clock minus lab time; `params`: the policy's."""

    theta_ns: Callable[[str, int], int]
    monotonic_ns: Mapping[str, int] = field(default_factory=dict)
    params: Mapping[str, int] = field(default_factory=dict)


Theory = Callable[[Sequence[Offer], Conditions, int], Receipts]
"""(claims on one seat in true order, conditions, lag) -> who ends up with a receipt"""

DATABASE = "db"

Stamp = tuple[int, int, str]


def timestamp_order(offers: Sequence[Offer], around: Conditions, lag_ns: int) -> Receipts:
    """Stamped by wall clocks; the lowest stamp known after delta wins."""
    stamps = [(o.at_ns + around.theta_ns(o.server, o.at_ns), 0, o.server) for o in offers]
    delta_ns = around.params.get("stability_ns", 0)
    return _lowest_known(offers, stamps, [_waited(o, delta_ns) for o in offers], lag_ns)


def commit_wait(offers: Sequence[Offer], around: Conditions, lag_ns: int) -> Receipts:
    """Stamped by wall clocks; delta is the lag bound and what both clocks may be off."""
    stamps = [(o.at_ns + around.theta_ns(o.server, o.at_ns), 0, o.server) for o in offers]
    bound_ns = around.params.get("lag_ns", 0)
    waits_ns = [_waited(offer, bound_ns + (offer.wait_ns or 0)) for offer in offers]
    return _lowest_known(offers, stamps, waits_ns, lag_ns)


def hybrid_logical(offers: Sequence[Offer], around: Conditions, lag_ns: int) -> Receipts:
    """Stamped above whatever the server has seen, by its wall clock where that is ahead.

    What claims on other seats did to the servers' clocks is left out: it matters only to claims
    that cross on the wire with a delta below two lags.
    """
    stamps: list[Stamp] = []
    for index, offer in enumerate(offers):
        wall_ns = offer.at_ns + around.theta_ns(offer.server, offer.at_ns)
        seen = [stamps[i] for i in range(index) if _reached(offers[i], offer, offer.at_ns, lag_ns)]
        highest = max((stamp[:2] for stamp in seen), default=(wall_ns - 1, 0))
        ahead = wall_ns > highest[0]
        stamps.append(
            (wall_ns if ahead else highest[0], 0 if ahead else highest[1] + 1, offer.server)
        )
    delta_ns = around.params.get("stability_ns", 0)
    return _lowest_known(offers, stamps, [_waited(o, delta_ns) for o in offers], lag_ns)


def _waited(offer: Offer, delta_ns: int) -> int:
    """What the wait came to. A busy machine decides late, and learns of more meanwhile; a server
    that decided before its time is wrong, and that must show as a disagreement."""
    return max(delta_ns, offer.waited_ns or 0)


def _lowest_known(
    offers: Sequence[Offer], stamps: Sequence[Stamp], waits_ns: Sequence[int], lag_ns: int
) -> Receipts:
    """Who finds nothing lower than its own stamp when its wait is over."""

    def loses(mine: int) -> bool:
        decided_ns = offers[mine].at_ns + waits_ns[mine]
        return any(
            stamps[other] < stamps[mine]
            and _reached(offers[other], offers[mine], decided_ns, lag_ns)
            for other in range(len(offers))
            if other != mine
        )

    return frozenset(offers[i].buyer for i in range(len(offers)) if not loses(i))


def _reached(news: Offer, at: Offer, when_ns: int, lag_ns: int) -> bool:
    """Whether the server of `at` knew of `news` at `when_ns`."""
    if news.server == at.server:
        return news.at_ns <= when_ns
    return news.reached_ns.get(at.server, news.at_ns + lag_ns) <= when_ns


def last_write_wins(offers: Sequence[Offer], _around: Conditions, lag_ns: int) -> Receipts:
    """Whoever comes to a server that knows of no earlier claim is told yes."""
    told: list[Offer] = []
    for offer in offers:
        if not any(_reached(before, offer, offer.at_ns, lag_ns) for before in told):
            told.append(offer)
    return frozenset(offer.buyer for offer in told)


def one_row(offers: Sequence[Offer], _around: Conditions, _lag_ns: int) -> Receipts:
    """A constraint decides: the first."""
    return frozenset(offer.buyer for offer in offers[:1])


# --- leases -------------------------------------------------------------------------------

Judge = Callable[[Conditions, str, int], int]
"""(conditions, server, lab time) -> what the clock shows that leases are judged by"""


def _by_wall_clock(around: Conditions, server: str, lab_ns: int) -> int:
    return lab_ns + around.theta_ns(server, lab_ns)


def _by_database(around: Conditions, _server: str, lab_ns: int) -> int:
    return lab_ns + around.theta_ns(DATABASE, lab_ns)


def _by_uptime(around: Conditions, server: str, lab_ns: int) -> int:
    return lab_ns + around.monotonic_ns.get(server, 0)


@dataclass
class _Seat:
    """The shared row: whose the newest lease is, when it ends, whether the seat is sold."""

    holder: int | None = None
    expires_ns: int = 0
    sold: bool = False
    granted: dict[int, int] = field(default_factory=dict)
    """end of every lease that was granted, by the index of its offer"""


def _leases(judge: Judge, fenced: bool = False) -> Theory:
    """Held until a clock says that it is over; confirmed while the own clock says it is not."""

    def play(offers: Sequence[Offer], around: Conditions, _lag_ns: int) -> Receipts:
        seat, told = _Seat(), set()
        ttl_ns = around.params.get("ttl_ns", 0)
        for at_ns, confirms, index in _steps(offers):
            offer = offers[index]
            shown_ns = judge(around, offer.server, at_ns)
            if confirms:
                alive = index in seat.granted and shown_ns <= seat.granted[index]
                if alive and (not fenced or seat.holder == index):
                    seat.sold = True
                    told.add(offer.buyer)
            elif not seat.sold and (seat.holder is None or shown_ns > seat.expires_ns):
                seat.holder, seat.expires_ns = index, shown_ns + ttl_ns
                seat.granted[index] = seat.expires_ns
        return frozenset(told)

    return play


def _steps(offers: Sequence[Offer]) -> list[tuple[int, bool, int]]:
    """(lab time, is it a confirmation, which offer), in order."""
    reserves = [(offer.at_ns, False, index) for index, offer in enumerate(offers)]
    confirms = [
        (offer.confirm_ns, True, index)
        for index, offer in enumerate(offers)
        if offer.confirm_ns is not None
    ]
    return sorted([*reserves, *confirms])


THEORIES: dict[str, tuple[str, Theory]] = {
    "timestamp-order": ("delta - lag < gap < skew, or lag > gap + delta", timestamp_order),
    "lease": ("skew > left, A confirms after B", _leases(_by_wall_clock)),
    "lease-fenced": ("never", _leases(_by_wall_clock, fenced=True)),
    "lease-db-time": ("the database's clock past the end, then before it", _leases(_by_database)),
    "lease-monotonic": ("uptimes apart > left, A confirms after B", _leases(_by_uptime)),
    "last-write-wins": ("gap < lag", last_write_wins),
    "commit-wait": ("never within the bounds", commit_wait),
    "hybrid-logical": ("gap < lag and delta < 2 lag", hybrid_logical),
    "unique": ("never", one_row),
}
"""policy -> its condition in short, and who ends up with a receipt"""
