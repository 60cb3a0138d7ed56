"""What a policy is given and what it owes. The files in `policies/` implement it, one each.

A policy file holds, in this order: its parameters, its pure decisions (claims, stamps and clock
readings in, decision out), the SQL of tables that only it needs, and the thin I/O around the
decisions. Adding a policy is adding such a file; nothing else knows its name.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Literal, Protocol, TypeVar

import asyncpg

from booking.chrony import Belief
from booking.clocks import Clock
from booking.problems import ProblemError

P = TypeVar("P")

Decision = Literal["held", "confirmed", "rejected", "cancelled", "expired"]


@dataclass(frozen=True, slots=True)
class Order:
    """What a buyer asks for. `phase` is a label of the experiment, never part of a decision."""

    seat: str
    buyer: str
    phase: str | None
    idempotency_key: str


@dataclass(frozen=True, slots=True)
class Claim:
    """An order as a server has stamped it; what peers tell each other.

    `stamp_ns` is the origin's wall clock, `claimed_raw_ns` its raw clock at the same instant.
    A hybrid logical stamp is (`stamp_ns`, `logical`); the wall clock then is `claimed_wall_ns`.
    `bound_ns` is what the origin promised that its clock's error does not exceed.
    """

    claim_id: str
    origin: str
    phase: str | None
    seat: str
    buyer: str
    stamp_ns: int
    claimed_raw_ns: int
    logical: int = 0
    claimed_wall_ns: int | None = None
    bound_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold by the clock that the policy judges by. `token` counts the leases of the seat."""

    granted_ns: int
    expires_ns: int
    ttl_ns: int
    token: int | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision as it is written down: what, when by both clocks, and what it rests on.

    `answered` is the decision the buyer was first told; it never changes afterwards. `judged_ns`
    is what the clock showed that a lease was judged by, `peers_bound_ns` the largest clock error
    that the peers admitted to.
    """

    server: str
    answered: Decision
    decision: Decision
    receipt_id: str | None
    decided_wall_ns: int
    decided_raw_ns: int
    stability_ns: int | None = None
    hold: Hold | None = None
    judged_ns: int | None = None
    peers_bound_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """A claim with its verdict; `verdict` is None while the claim waits for its decision."""

    claim: Claim
    policy: str
    verdict: Verdict | None


class Outbox(Protocol):
    """Tells the peers about claims and clock errors, without waiting for them."""

    def push(self, claim: Claim) -> None: ...

    def promise(self, bound_ns: int, raw_ns: int) -> None: ...


class NoOutbox:
    """For policies that keep everything in a shared database."""

    def push(self, claim: Claim) -> None:
        """Nobody needs telling."""

    def promise(self, bound_ns: int, raw_ns: int) -> None:
        """Nobody needs telling."""


def nothing_known() -> Belief:
    """The belief of a server that has no chronyd to ask."""
    return Belief("unknown", "there is no chronyd to ask")


@dataclass(frozen=True)
class Surroundings:
    """All that a policy may touch. `belief` is what this server's chronyd last said."""

    server: str
    pool: asyncpg.Pool[asyncpg.Record]
    clock: Clock
    outbox: Outbox
    new_id: Callable[[], str]
    peers: tuple[str, ...] = ()
    belief: Callable[[], Belief] = nothing_known


class Policy(ABC):
    """One way to decide who gets a seat. `name` is filled in from the file's name."""

    name: ClassVar[str]
    shared_database: ClassVar[bool]
    replicates: ClassVar[bool] = False
    migrations: ClassVar[tuple[str, ...]] = ()
    params_type: ClassVar[type[Any]]

    def __init__(self, params: Any, around: Surroundings) -> None:
        self.params = params
        self.around = around

    async def start(self) -> None:  # noqa: B027 (most policies have nothing to bring back)
        """Bring back what must be known before the first request, such as claims on record."""

    async def stop(self) -> None:  # noqa: B027 (most policies have nothing running)
        """End what `start` has begun."""

    @abstractmethod
    async def reserve(self, order: Order) -> Record:
        """Decide on `order`, or give back the record that its idempotency key already has."""

    @abstractmethod
    async def confirm(self, claim_id: str) -> Record:
        """Turn a hold into a reservation; the record says whether that succeeded."""

    @abstractmethod
    async def cancel(self, claim_id: str) -> Record:
        """Give a hold back. Raises ProblemError where there is nothing to give back."""

    async def receive(self, claims: Sequence[Claim]) -> None:
        """Take in claims that a peer has stamped."""
        raise ProblemError("not-replicating", f"Policy {self.name} takes no claims from peers.")

    def hear(self, peer: str, bound_ns: int, raw_ns: int) -> None:
        """Take in what a peer promises of its clock's error; `raw_ns` is the peer's raw clock."""
        raise ProblemError("not-replicating", f"Policy {self.name} asks no peer for its clock.")


@dataclass(frozen=True)
class NoParams:
    """For policies without parameters."""


class ParameterError(ValueError):
    """NTPLAB_POLICY_PARAMS does not fit the policy; one line per fault in `faults`."""

    def __init__(self, faults: Sequence[str]) -> None:
        super().__init__("; ".join(faults))
        self.faults = tuple(faults)


def parse_params(kind: type[P], given: Mapping[str, object]) -> P:
    """Make `kind`, a dataclass of integer fields that must not be negative, from `given`.

    A null counts as absent. Raises ParameterError with every fault at once.
    """
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    values = {name: value for name, value in given.items() if value is not None}
    faults = [
        f"unknown parameter {name!r} (known: {', '.join(known) or 'none'})"
        for name in values
        if name not in known
    ]
    for name, about in known.items():
        value = values.get(name)
        if value is None and about.default is MISSING:
            faults.append(f"parameter {name!r} is missing")
        elif value is not None and (type(value) is not int or value < 0):
            faults.append(f"parameter {name!r} must be an integer of at least 0, not {value!r}")
    if faults:
        raise ParameterError(faults)
    return kind(**values)
