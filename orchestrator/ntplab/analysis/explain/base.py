"""What an explanation is made of. Each policy module gives one `Model`.

booking.md's notation: theta is a server's divergence, A claims first in lab time, B second.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Literal

import polars as pl

from ...evidence import Skew
from ..claims import Claim
from ..clocks import Clocks, ClockSeries, Theta

Status = Literal["explained", "unexplained", "undetermined"]
Pair = tuple[Claim, Claim]

DATABASE = "db"
"""the node whose clock the database goes by"""


@dataclass(frozen=True)
class World:
    """The evidence around two claims."""

    clocks: Clocks
    holders: frozenset[str]
    """servers whose own list of claims is in evidence"""
    sample_error_ns: int
    records_whole: bool
    """the servers' records were collected to the end"""
    params: Mapping[str, int] = field(default_factory=dict)
    """the policy's, as the booking service takes them"""
    monotonic_ns: Mapping[str, int] = field(default_factory=dict)
    """each server's CLOCK_MONOTONIC_RAW minus lab time"""
    lab_errors_ns: Mapping[str, int] = field(default_factory=dict)
    """how far what each server noted may be from lab time; empty where both are the same clock"""
    leaning: Mapping[str, int] = field(default_factory=dict)
    """1 or -1 by server: go by the largest or smallest divergence it may have (`deciding.py`)"""

    @property
    def no_record(self) -> Status:
        """What a claim without a record makes of its double booking: a server that kept
        none is a fault of the lab or the service; records not yet collected are not."""
        return "unexplained" if self.records_whole else "undetermined"

    def theta(self, server: str, lab_ns: int) -> Theta | None:
        """The server's divergence by the observer; None where it was not sampled."""
        seen = self.clocks.get(server, ClockSeries()).at(lab_ns, self.sample_error_ns)
        if seen is None or server not in self.leaning:
            return seen
        return Theta(seen.divergence_ns + self.leaning[server] * seen.error_ns, 0)

    def apart_error_ns(self, first: str, second: str) -> int:
        """How far the time between two servers' doings may be from what they noted."""
        if first == second or self.leaning:
            return 0
        return self.lab_errors_ns.get(first, 0) + self.lab_errors_ns.get(second, 0)


@dataclass(frozen=True)
class Injected:
    """The clock errors that the scenario asks for, as they would be with NTP off.

    theta(t) = offset + drift * (t - `start_ns`), the start of the measuring window; from a
    planned fault on (`struck`: by server, (lab time, divergence after it), by time), what that
    fault left.
    """

    skews: Mapping[str, Skew]
    start_ns: int
    stability_ns: int = 0
    ttl_ns: int = 0
    lag_ns: int = 0
    struck: Mapping[str, Sequence[tuple[int, int | None]]] = field(default_factory=dict)
    monotonic_ns: Mapping[str, int] = field(default_factory=dict)

    def theta_ns(self, server: str, lab_ns: int) -> int:
        for struck_ns, divergence_ns in reversed(self.struck.get(server, ())):
            if struck_ns <= lab_ns:
                if divergence_ns is None:  # set anew by a phase
                    break
                return divergence_ns
        return self.skews.get(server, Skew()).divergence_ns(lab_ns - self.start_ns)


@dataclass(frozen=True)
class Explanation:
    """Why A and B could both be told yes, or why that cannot be explained.

    `numbers_ns`: the terms of `inequality`, measured; None = it never happened.
    """

    status: Status
    cause: str
    inequality: str
    numbers_ns: Mapping[str, int | None]
    words: str
    reason: str = ""


@dataclass(frozen=True)
class Window:
    """`Model.opportunity` for all pairs of claims at once: what makes it fit millions of seats.

    A seat is an opportunity when `holds(injected)` is true for a claim A and a later B of
    another buyer. Columns it can use: gap_ns (t_B - t_A), crossed (on two servers), skew_ns
    (theta_A - theta_B, injected), database_ns (by how much the database's injected error grew
    from A to B), uptime_ns (U_B - U_A), ttl_ns (of A's lease, or the policy's), granted (A got
    a lease), confirm_after_ns (A asked to confirm that long after B's claim).
    `reach_ns(injected)`: no pair further apart can hold, over the columns of A; None: A is the
    first claim on the seat.
    """

    holds: Callable[[Injected], pl.Expr]
    reach_ns: Callable[[Injected], pl.Expr] | None = None


@dataclass(frozen=True)
class Model:
    """One policy's theory.

    `explain(a, b, world)`: the inequality with measured numbers.
    `opportunity(claims, injected)`: would the injected clock errors double-book this seat,
    were NTP off? `claims` are those of one seat in true order.
    `pairs(holders)`: which pairs of receipt holders must each be explained.
    `window`: the same as `opportunity`, by column. A policy without one is judged seat by seat,
    some hundred times slower.
    """

    explain: Callable[[Claim, Claim, World], Explanation]
    opportunity: Callable[[Sequence[Claim], Injected], bool]
    pairs: Callable[[Sequence[Claim]], list[Pair]]
    window: Window | None = None


def every_pair(holders: Sequence[Claim]) -> list[Pair]:
    """All pairs of different buyers: each two must have been kept from knowing of each other."""
    return [(a, b) for i, a in enumerate(holders) for b in holders[i + 1 :] if a.buyer != b.buyer]


def neighbours(holders: Sequence[Claim]) -> list[Pair]:
    """Each holder and the next of another buyer: a seat that passes from hand to hand."""
    return [(a, b) for a, b in pairwise(holders) if a.buyer != b.buyer]


def lacking(first: Claim, second: Claim, inequality: str, status: Status, what: str) -> Explanation:
    """The explanation that is none, because evidence is lacking."""
    words = f"Seat {first.seat}: {first.buyer} and {second.buyer} both hold a receipt; {what}."
    return Explanation(status, "", inequality, {}, words, what)


# --- words --------------------------------------------------------------------------------


def clock_text(ns: int) -> str:
    """12:00:01.204 of a time in ns since the epoch (UTC)."""
    milliseconds = ns // 1_000_000
    seconds, rest = milliseconds // 1000, milliseconds % 1000
    return f"{seconds // 3600 % 24:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest:03}"


def span_text(ns: int) -> str:
    """A duration a person can compare: 5.000 s, 0.241 s, 12.3 ms, 40 us."""
    size = abs(ns)
    if size >= 100_000_000:
        return f"{ns / 1e9:.3f} s"
    return f"{ns / 1e6:.3f} ms" if size >= 100_000 else f"{ns / 1e3:.1f} us"


def error_text(theta_ns: int) -> str:
    """5.000 s slow, 0.120 s fast, right."""
    if theta_ns == 0:
        return "right"
    return f"{span_text(abs(theta_ns))} {'fast' if theta_ns > 0 else 'slow'}"
