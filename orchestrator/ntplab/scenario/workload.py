"""How seats are decided and who asks for them: policies and load. Part of the first stage."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field

from ..units import NS_PER_MS, NS_PER_S
from .base import Model
from .types import Number, Rate, Timeout, Wait, Whole


class TimestampOrder(Model):
    """The lowest wall-clock stamp wins, decided by each server after a wait."""

    name: Literal["timestamp-order"]
    stability: Wait = Field(default=250 * NS_PER_MS, description="wait this long for lower stamps")


class Lease(Model):
    """A hold on the seat until a wall-clock time; who granted it confirms within it."""

    name: Literal["lease"]
    ttl: Timeout = Field(default=2 * NS_PER_S, description="how long a hold lasts")


class LeaseFenced(Model):
    """A lease whose number the confirmation must still match."""

    name: Literal["lease-fenced"]
    ttl: Timeout = Field(default=2 * NS_PER_S, description="how long a hold lasts")


class LeaseDbTime(Model):
    """A lease granted and judged by the database's clock."""

    name: Literal["lease-db-time"]
    ttl: Timeout = Field(default=2 * NS_PER_S, description="how long a hold lasts")


class LeaseMonotonic(Model):
    """A lease whose end is a reading of a monotonic clock, compared on another machine."""

    name: Literal["lease-monotonic"]
    ttl: Timeout = Field(default=2 * NS_PER_S, description="how long a hold lasts")


class LastWriteWins(Model):
    """Every server says yes at once, replicas keep the highest stamp."""

    name: Literal["last-write-wins"]


class CommitWait(Model):
    """timestamp-order that waits for as long as the clocks may be off, by what chronyd says."""

    name: Literal["commit-wait"]
    lag: Wait = Field(
        default=250 * NS_PER_MS, description="no claim is taken to need longer to a peer"
    )
    limit: Timeout = Field(
        default=100 * NS_PER_MS,
        description="a server that is less certain of its clock sells nothing",
    )


class HybridLogical(Model):
    """timestamp-order, stamped by a hybrid logical clock."""

    name: Literal["hybrid-logical"]
    stability: Wait = Field(default=250 * NS_PER_MS, description="wait this long for lower stamps")


class Unique(Model):
    """A database constraint decides: the control that needs no clock."""

    name: Literal["unique"]


def _policy_shorthand(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


_AnyPolicy = (
    TimestampOrder
    | Lease
    | LeaseFenced
    | LeaseDbTime
    | LeaseMonotonic
    | LastWriteWins
    | CommitWait
    | HybridLogical
    | Unique
)
Policy = Annotated[Annotated[_AnyPolicy, Discriminator("name")], BeforeValidator(_policy_shorthand)]


Arrival = Literal["poisson", "uniform"]


WaitRange = tuple[Wait, Wait]


class Races(Model):
    """Two buyers want the same seat, at two different servers, a moment apart."""

    pattern: Literal["races"]
    rate: Rate = Field(description="races begun per second")
    arrival: Arrival = Field(default="poisson", description="random or evenly spaced arrivals")
    gap: WaitRange = Field(
        default=(0, 2 * NS_PER_S),
        description="the second buyer comes this much later, drawn evenly",
    )
    confirm_after: WaitRange = Field(
        default=(500 * NS_PER_MS, 1500 * NS_PER_MS),
        description="a buyer who was given a hold confirms this much later, drawn evenly",
    )


class HotSpot(Model):
    """Many seats, few of them wanted by most buyers."""

    pattern: Literal["hot-spot"]
    rate: Rate = Field(description="buyers per second")
    arrival: Arrival = Field(default="poisson", description="random or evenly spaced arrivals")
    seats: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=500, description="seats on sale"
    )
    hot_seats: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        default=20, description="how many of them most buyers want"
    )
    hot_share: Annotated[Number, Field(ge=0, le=1)] = Field(
        default=0.8, description="share of the buyers who want one of those"
    )
    confirm_after: WaitRange = Field(
        default=(500 * NS_PER_MS, 1500 * NS_PER_MS),
        description="a buyer who was given a hold confirms this much later, drawn evenly",
    )


LoadPattern = Annotated[Races | HotSpot, Discriminator("pattern")]
Load = Annotated[tuple[LoadPattern, ...], Field(max_length=20)]


def null_is_none(value: object) -> object:
    """`load: null` in a phase means no load, which is not the same as no `load` key."""
    return [] if value is None else value
