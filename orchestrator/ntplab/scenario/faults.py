"""What can be done to a node at a time within a phase. Part of the first stage."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Discriminator, Field
from pydantic import WithJsonSchema as JsonSchema

from .base import Model
from .train import Links
from .types import (
    Drift,
    Excursion,
    FaultTime,
    Name,
    NtpMethod,
    Offset,
    StrobeLength,
    StrobePeriod,
    TemperaturePeriod,
    TemperaturePhase,
    Whole,
)


def _utc_date(value: object) -> object:
    """Accept what `date -s` would, in the one unambiguous notation."""
    try:
        moment = datetime.strptime(str(value), "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    except ValueError:
        what = f"'{value}' is not a date: write one like 2023-10-01 12:00:00 (UTC)"
        raise ValueError(what) from None
    if not 1971 <= moment.year <= 2200:
        raise ValueError(f"the year must be from 1971 to 2200, not {moment.year}")
    return str(value)


def _argv(value: object) -> object:
    return ["sh", "-c", value] if isinstance(value, str) else value


class FaultBase(Model):
    """What every fault says."""

    at: FaultTime = Field(description="how long after the load of the phase begins")
    server: Name = Field(
        description="the node it strikes: a server, a time server or `db`; in the train system the "
        "office, a client, a time server or `all`"
    )


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


class SetWander(FaultBase):
    """The oscillator's frequency begins to walk at random."""

    kind: Literal["wander"]
    value: Excursion = Field(description="how far it strays in a second; `0` ends it")
    seed: Annotated[Whole, Field(ge=0, lt=2**53)] | None = Field(
        default=None, description="instead of the one that the node has from the scenario's"
    )


class SetTemperature(FaultBase):
    """The oscillator's frequency begins to follow a sinusoid."""

    kind: Literal["temperature"]
    value: Excursion = Field(description="how far to either side of its drift; `0` ends it")
    period: TemperaturePeriod = Field(description="from peak to peak")
    phase: TemperaturePhase = Field(default=0, description="how far into its period it begins")


class Strobe(FaultBase):
    """The clock jumps to and fro: there for half of each period, back for the other half."""

    kind: Literal["strobe"]
    value: Offset = Field(description="by how much; `0` ends it")
    period: StrobePeriod = Field(description="from one jump out to the next")
    lasts: StrobeLength | None = Field(
        default=None, description="for how long; until something ends it if absent"
    )


class Steady(FaultBase):
    """Wander, temperature and strobe end: the clock is back home, its constant drift is left."""

    kind: Literal["steady"]


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
    """The machine dies: its container is killed and stays dead (unless it is restarted)."""

    kind: Literal["kill"]


class NtpOff(FaultBase):
    """NTP of that node is switched off."""

    kind: Literal["ntp-off"]
    value: NtpMethod = Field(default="daemon", description="how")


class NtpOn(FaultBase):
    """NTP of that node is switched on."""

    kind: Literal["ntp-on"]
    value: NtpMethod = Field(default="daemon", description="how")


class Restart(FaultBase):
    """A machine that was killed is started again (train)."""

    kind: Literal["restart"]


class Link(FaultBase):
    """Every link that leaves the node does this to messages from then on (train)."""

    kind: Literal["link"]
    value: Links = Field(default=Links(), description="what; nothing if absent")


class Partition(FaultBase):
    """The node is cut off the network of the others (train)."""

    kind: Literal["partition"]


class Heal(FaultBase):
    """A node that was cut off is back on the network (train)."""

    kind: Literal["heal"]


class Snapshot(FaultBase):
    """The office takes a snapshot of the whole system, or has everybody load the last (train)."""

    kind: Literal["snapshot"]
    value: Literal["take", "load"] = Field(default="take", description="which")


TRAIN_ONLY = ("restart", "link", "partition", "heal", "snapshot")
EVERYBODY = "all"
"""Instead of a node's name, in the train system."""

Fault = Annotated[
    Step
    | SetOffset
    | SetDrift
    | SetWander
    | SetTemperature
    | Strobe
    | Steady
    | Freeze
    | Thaw
    | SetDate
    | Exec
    | Kill
    | NtpOff
    | NtpOn
    | Restart
    | Link
    | Partition
    | Heal
    | Snapshot,
    Discriminator("kind"),
]
