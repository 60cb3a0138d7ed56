"""The experiment as a whole: phases and the scenario itself. Part of the first stage."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from ..units import NS_PER_MS, NS_PER_S
from .base import Model
from .faults import Fault
from .nodes import Database, NtpDefaults, Server, TimeServer
from .sweep import Sweep
from .train import Client, Office, Train
from .types import (
    Accuracy,
    ClockState,
    Name,
    NtpMethod,
    NtpSwitch,
    OneLine,
    PhaseLength,
    Timeout,
    Whole,
)
from .workload import Load, Policy, null_is_none


class Settle(Model):
    """What to wait for after NTP was switched on, before the load begins."""

    limit: Accuracy = Field(
        default=NS_PER_MS, description="every steered clock this close to true time"
    )
    timeout: Timeout = Field(
        default=30 * NS_PER_S, description="the run fails if that takes longer"
    )


class Phase(Model):
    """A span of the run with one NTP state.

    What happens in it, in this order: NTP is switched off, the clocks are set, NTP is switched
    on and the clocks settle; then the load begins, and with it the time of the faults.
    """

    name: Name = Field(description="used in expectations: `phases.NAME....`")
    duration: PhaseLength = Field(description="how long the load runs")
    trials: Annotated[Whole, Field(ge=1, le=100)] = Field(
        default=1,
        description="do the whole phase so many times, each with arrivals of its own drawn from "
        "the seed; results are pooled, with each trial's figures beside them",
    )
    ntp: NtpSwitch = Field(
        default="keep", description="NTP in this phase; the first phase must say"
    )
    method: NtpMethod = Field(
        default="daemon",
        description="how NTP is switched: stop and start the daemon, cut the node off the time "
        "network, or tell the daemon that its sources are offline",
    )
    clocks: ClockState = Field(
        default="keep",
        description="set every clock right (`true`), or to its `clock` of this file (`skewed`), "
        "or leave it; the first phase starts skewed",
    )
    settle: Settle | None = Field(
        default=Settle(), description="when NTP was switched on; `null`: do not wait"
    )
    servers: tuple[Name, ...] | None = Field(
        default=None,
        max_length=60,
        description="only these nodes are switched, the others keep their NTP state (in the first "
        "phase: have the opposite one); all if absent",
    )
    load: Annotated[Load | None, BeforeValidator(null_is_none)] = Field(
        default=None, description="instead of the scenario's load; `null` for none"
    )
    faults: tuple[Fault, ...] = Field(
        default=(), max_length=1000, description="what happens to the nodes meanwhile"
    )


class Sampling(Model):
    """How often the observer looks."""

    clock_hz: Annotated[Whole, Field(ge=20, le=200)] = Field(
        default=20, description="at every clock"
    )
    belief_hz: Annotated[Whole, Field(ge=1, le=10)] = Field(
        default=1, description="at what every NTP daemon believes"
    )


class Scenario(Model):
    """An experiment."""

    name: Name = Field(description="also the folder of its runs: `runs/NAME/`")
    description: Annotated[str, Field(max_length=4000)] = Field(
        default="", description="for people"
    )
    seed: Annotated[Whole, Field(ge=0, lt=2**53)] = Field(
        default=1, description="the same seed gives the same arrivals and uptimes"
    )
    system: Literal["concert", "train"] = Field(
        default="concert", description="the system under test"
    )
    policy: Policy | None = Field(
        default=None,
        description="how seats are decided: a name, or a name with parameters; a concert needs one",
    )
    servers: tuple[Server, ...] = Field(
        default=(), max_length=50, description="the booking servers; a concert needs one at least"
    )
    train: Train | None = Field(
        default=None, description="the train ticket system, where `system` is `train`"
    )
    time_servers: tuple[TimeServer, ...] = Field(
        default=(), max_length=10, description="who serves time"
    )
    database: Database = Field(default=Database(), description="the machine with PostgreSQL")
    ntp: NtpDefaults = Field(default=NtpDefaults(), description="how NTP daemons are configured")
    load: Load = Field(default=(), description="the load of every phase that has none of its own")
    request_timeout: Timeout = Field(
        default=5 * NS_PER_S, description="a buyer gives up after this; at most an hour"
    )
    phases: tuple[Phase, ...] = Field(
        min_length=1, max_length=50, description="the spans of the run, in order"
    )
    expect: Annotated[tuple[OneLine, ...], Field(max_length=500)] = Field(
        default=(), description="expressions over results.json that the run must meet"
    )
    sampling: Sampling = Field(default=Sampling(), description="how often the observer looks")
    sweep: Sweep | None = Field(default=None, description="run it at many points, not once")

    @property
    def machines(self) -> tuple[Server, ...]:
        """The nodes of the system under test: booking servers, or the office and its clients."""
        if self.train is None:
            return self.servers
        nodes: tuple[Office | Client, ...] = (self.train.office, *self.train.clients)
        return tuple(Server(name=n.name, clock=n.clock, ntp=n.ntp) for n in nodes)


def as_plain(scenario: Scenario) -> dict[str, Any]:
    """The scenario as JSON-able data, every default filled in, durations in ns."""
    unset = {key for key in ("sweep", "train", "policy") if getattr(scenario, key) is None}
    return scenario.model_dump(mode="json", exclude=unset)
