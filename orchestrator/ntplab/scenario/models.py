"""What a scenario may say, key by key. Part of the first stage.

Field names are the YAML keys. Every duration is held in nanoseconds, every frequency error in
ppm, every rate in events per second; the plan (next stage) carries the units in its names.
The descriptions here become the JSON Schema and docs/reference/scenario.md.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field
from pydantic import WithJsonSchema as JsonSchema

from ..units import NS_PER_MS, NS_PER_S
from .types import (
    Accuracy, ClockState, Drift, FaultTime, Flag, Name, NtpMethod, NtpSwitch, Number, Offset,
    OneLine, PhaseLength, Rate, SlewRate, Timeout, Uptime, Wait, Whole,
)  # fmt: skip


class Model(BaseModel):
    """Base of all: unknown keys are errors, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- clocks and NTP -----------------------------------------------------------------------


class Clock(Model):
    """How a node's wall clock is wrong when the clocks are `skewed`."""

    offset: Offset = Field(0, description="wall clock minus true time at the start")
    drift: Drift = Field(0.0, description="oscillator error; positive runs fast")


class MachineClock(Clock):
    """The clock of one machine."""

    uptime: Uptime | None = Field(
        None,
        description="how much longer than the host this machine has been up (whole seconds); "
        "drawn from the seed if absent, different for every node",
    )


class Makestep(Model):
    """When chronyd may jump instead of slewing."""

    threshold: Accuracy = Field(100 * NS_PER_MS, description="jump only if off by more than this")
    limit: Annotated[Whole, Field(ge=-1, le=1_000_000)] = Field(
        -1, description="only in that many first clock updates; -1 for always"
    )


class NtpDefaults(Model):
    """How the NTP daemons of all nodes are configured."""

    minpoll: Annotated[Whole, Field(ge=-6, le=24)] = Field(
        -2, description="shortest time between polls, as a power of two of seconds"
    )
    maxpoll: Annotated[Whole, Field(ge=-6, le=24)] = Field(
        0, description="longest time between polls, as a power of two of seconds"
    )
    makestep: Makestep | None = Field(
        Makestep(), description="`null`: never jump, slew whatever it takes"
    )
    max_slew: SlewRate | None = Field(None, description="fastest slew; chronyd's default if absent")
    options: tuple[OneLine, ...] = Field(
        (), max_length=100, description="further lines for every chrony.conf, put in as they are"
    )


class ServerNtp(Model):
    """The NTP client of one server."""

    daemon: Literal["chrony"] = Field("chrony", description="which NTP daemon steers the clock")
    sources: tuple[Name, ...] | None = Field(
        None, max_length=10, description="time servers it asks; all of them if absent"
    )
    options: tuple[OneLine, ...] = Field(
        (), max_length=100, description="further lines for its chrony.conf, put in as they are"
    )


# --- nodes --------------------------------------------------------------------------------


class Server(Model):
    """A booking server: one container, with a wall clock, an NTP daemon and an app of its own."""

    name: Name = Field(description="also its DNS name")
    clock: MachineClock = Field(MachineClock(), description="see *clock of a machine*")
    ntp: ServerNtp = Field(ServerNtp(), description="see *NTP client*")
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = Field(
        None, description="publish the booking API on this port of 127.0.0.1"
    )


class TimeServer(Model):
    """A container whose chronyd serves time."""

    name: Name = Field(description="also its DNS name")
    stratum: Annotated[Whole, Field(ge=1, le=15)] = Field(1, description="stratum it announces")
    clock: MachineClock = Field(MachineClock(), description="see *clock of a machine*")


class Database(Model):
    """PostgreSQL, a machine with a wall clock like any other."""

    clock: MachineClock = Field(MachineClock(), description="see *clock of a machine*")
    ntp: Flag = Field(False, description="run an NTP daemon there too, switched like the servers'")


# --- policies -----------------------------------------------------------------------------


class TimestampOrder(Model):
    """The lowest wall-clock stamp wins, decided by each server after a wait."""

    name: Literal["timestamp-order"]
    stability: Wait = Field(250 * NS_PER_MS, description="wait this long for lower stamps")


class Lease(Model):
    """A hold on the seat until a wall-clock time; who granted it confirms within it."""

    name: Literal["lease"]
    ttl: Timeout = Field(2 * NS_PER_S, description="how long a hold lasts")


class Unique(Model):
    """A database constraint decides: the control that needs no clock."""

    name: Literal["unique"]


def _policy_shorthand(value: object) -> object:
    return {"name": value} if isinstance(value, str) else value


Policy = Annotated[
    Annotated[Union[TimestampOrder, Lease, Unique], Discriminator("name")],
    BeforeValidator(_policy_shorthand),
]


# --- load ---------------------------------------------------------------------------------

Arrival = Literal["poisson", "uniform"]


def _range(value: object) -> object:
    """`[0s, 2s]`; a single duration means both ends."""
    return [value, value] if isinstance(value, (str, int, float)) else value


WaitRange = Annotated[tuple[Wait, Wait], BeforeValidator(_range)]


class Races(Model):
    """Two buyers want the same seat, at two different servers, a moment apart."""

    pattern: Literal["races"]
    rate: Rate = Field(description="races begun per second")
    arrival: Arrival = Field("poisson", description="random or evenly spaced arrivals")
    gap: WaitRange = Field(
        (0, 2 * NS_PER_S), description="the second buyer comes this much later, drawn evenly"
    )
    confirm_after: WaitRange = Field(
        (500 * NS_PER_MS, 1500 * NS_PER_MS),
        description="a buyer who was given a hold confirms this much later, drawn evenly",
    )


class HotSpot(Model):
    """Many seats, few of them wanted by most buyers."""

    pattern: Literal["hot-spot"]
    rate: Rate = Field(description="buyers per second")
    arrival: Arrival = Field("poisson", description="random or evenly spaced arrivals")
    seats: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(500, description="seats on sale")
    hot_seats: Annotated[Whole, Field(ge=1, le=1_000_000)] = Field(
        20, description="how many of them most buyers want"
    )
    hot_share: Annotated[Number, Field(ge=0, le=1)] = Field(
        0.8, description="share of the buyers who want one of those"
    )
    confirm_after: WaitRange = Field(
        (500 * NS_PER_MS, 1500 * NS_PER_MS),
        description="a buyer who was given a hold confirms this much later, drawn evenly",
    )


LoadPattern = Annotated[Union[Races, HotSpot], Discriminator("pattern")]
Load = Annotated[tuple[LoadPattern, ...], Field(max_length=20)]


def _null_is_none(value: object) -> object:
    """`load: null` in a phase means no load, which is not the same as no `load` key."""
    return [] if value is None else value


# --- faults -------------------------------------------------------------------------------


def _utc_date(value: object) -> object:
    """Accept what `date -s` would, in the one unambiguous notation."""
    try:
        moment = datetime.strptime(str(value), "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        raise ValueError(f"'{value}' is not a date: write one like 2023-10-01 12:00:00 (UTC)") from None
    if not 1971 <= moment.year <= 2200:
        raise ValueError(f"the year must be from 1971 to 2200, not {moment.year}")
    return str(value)


def _argv(value: object) -> object:
    return ["sh", "-c", value] if isinstance(value, str) else value


class FaultBase(Model):
    """What every fault says."""

    at: FaultTime = Field(description="how long after the load of the phase begins")
    server: Name = Field(description="the node it strikes: a server, a time server or `db`")


class Step(FaultBase):
    """The clock jumps."""

    kind: Literal["step"]
    value: Offset = Field(description="by how much")


class SetOffset(FaultBase):
    """The clock is set."""

    kind: Literal["offset"]
    value: Offset = Field(description="offset from true time afterwards")


class SetDrift(FaultBase):
    """The oscillator changes its rate."""

    kind: Literal["drift"]
    value: Drift = Field(description="its error from then on")


class Freeze(FaultBase):
    """The clock stands still."""

    kind: Literal["freeze"]


class Thaw(FaultBase):
    """A frozen clock runs again, from where it stood."""

    kind: Literal["thaw"]


class SetDate(FaultBase):
    """Somebody types `date -s` on that machine."""

    kind: Literal["date"]
    value: Annotated[str, BeforeValidator(_utc_date)] = Field(
        description="the date, UTC, as in `2023-10-01 12:00:00`"
    )


class Exec(FaultBase):
    """Any command, on that machine and on its clock."""

    kind: Literal["exec"]
    value: Annotated[
        Annotated[tuple[str, ...], Field(min_length=1, max_length=100)],
        BeforeValidator(_argv),
        JsonSchema({"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}),
    ] = Field(description="a shell command, or a list of arguments")


class Kill(FaultBase):
    """The machine dies: its container is killed and stays dead."""

    kind: Literal["kill"]


class NtpOff(FaultBase):
    """NTP of that node is switched off."""

    kind: Literal["ntp-off"]
    value: NtpMethod = Field("daemon", description="how")


class NtpOn(FaultBase):
    """NTP of that node is switched on."""

    kind: Literal["ntp-on"]
    value: NtpMethod = Field("daemon", description="how")


Fault = Annotated[
    Union[Step, SetOffset, SetDrift, Freeze, Thaw, SetDate, Exec, Kill, NtpOff, NtpOn],
    Discriminator("kind"),
]


# --- the experiment -----------------------------------------------------------------------


class Settle(Model):
    """What to wait for after NTP was switched on, before the load begins."""

    limit: Accuracy = Field(NS_PER_MS, description="every steered clock this close to true time")
    timeout: Timeout = Field(30 * NS_PER_S, description="the run fails if that takes longer")


class Phase(Model):
    """A span of the run with one NTP state. NTP is switched first, then the clocks are set."""

    name: Name = Field(description="used in expectations: `phases.NAME....`")
    duration: PhaseLength = Field(description="how long the load runs")
    ntp: NtpSwitch = Field("keep", description="NTP in this phase; the first phase must say")
    method: NtpMethod = Field(
        "daemon",
        description="how NTP is switched: stop and start the daemon, cut the node off the time "
        "network, or tell the daemon that its sources are offline",
    )
    clocks: ClockState = Field(
        "keep",
        description="set every clock right (`true`), or to its `clock` of this file (`skewed`), "
        "or leave it; the first phase starts skewed",
    )
    settle: Settle | None = Field(
        Settle(), description="when NTP was switched on; `null`: do not wait"
    )
    servers: tuple[Name, ...] | None = Field(
        None,
        max_length=60,
        description="only these nodes are switched, the others keep their NTP state (in the first "
        "phase: have the opposite one); all if absent",
    )
    load: Annotated[Load | None, BeforeValidator(_null_is_none)] = Field(
        None, description="instead of the scenario's load; `null` for none"
    )
    faults: tuple[Fault, ...] = Field((), max_length=1000, description="see *faults*")


class Sampling(Model):
    """How often the observer looks."""

    clock_hz: Annotated[Whole, Field(ge=20, le=200)] = Field(20, description="at every clock")
    belief_hz: Annotated[Whole, Field(ge=1, le=10)] = Field(
        1, description="at what every NTP daemon believes"
    )


def _system(value: object) -> object:
    if value == "train":
        raise ValueError("the train ticket system is not there yet: write system: concert")
    return value


class Scenario(Model):
    """An experiment."""

    name: Name = Field(description="also the folder of its runs: `runs/NAME/`")
    description: Annotated[str, Field(max_length=4000)] = Field("", description="for people")
    seed: Annotated[Whole, Field(ge=0, lt=2**53)] = Field(
        1, description="the same seed gives the same arrivals and uptimes"
    )
    system: Annotated[Literal["concert"], BeforeValidator(_system)] = Field(
        "concert", description="the system under test"
    )
    policy: Policy = Field(description="how seats are decided: a name, or a name with parameters")
    servers: tuple[Server, ...] = Field(min_length=1, max_length=50, description="see *server*")
    time_servers: tuple[TimeServer, ...] = Field(
        (), max_length=10, description="see *time server*"
    )
    database: Database = Field(Database(), description="see *database*")
    ntp: NtpDefaults = Field(NtpDefaults(), description="see *NTP*")
    load: Load = Field((), description="the load of every phase, see *load*")
    request_timeout: Timeout = Field(
        5 * NS_PER_S, description="a buyer gives up after this; at most an hour"
    )
    phases: tuple[Phase, ...] = Field(min_length=1, max_length=50, description="see *phase*")
    expect: Annotated[tuple[OneLine, ...], Field(max_length=500)] = Field(
        (), description="expressions over results.json that the run must meet"
    )
    sampling: Sampling = Field(Sampling(), description="see *sampling*")

    @property
    def node_names(self) -> tuple[str, ...]:
        """Every node with a clock of its own: servers, time servers, the database."""
        return (*(s.name for s in self.servers), *(t.name for t in self.time_servers), DATABASE)


DATABASE = "db"
OBSERVER = "observer"


def as_plain(scenario: Scenario) -> dict[str, Any]:
    """The scenario as JSON-able data, every default filled in, durations in ns."""
    return scenario.model_dump(mode="json")
