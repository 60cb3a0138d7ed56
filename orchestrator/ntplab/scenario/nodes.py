"""Servers, time servers, the database: their clocks and their NTP. Part of the first stage."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ..units import NS_PER_MS
from .base import Model
from .types import (
    Accuracy,
    Drift,
    Excursion,
    Flag,
    Name,
    NtpDaemon,
    Offset,
    OneLine,
    SlewRate,
    TemperaturePeriod,
    TemperaturePhase,
    Uptime,
    Whole,
)

DATABASE = "db"
OBSERVER = "observer"


class Wander(Model):
    """The oscillator's frequency walks at random (random-walk frequency noise)."""

    per_second: Excursion = Field(
        description="how far it strays in a second (standard deviation); twice as far in 4 s"
    )
    seed: Annotated[Whole, Field(ge=0, lt=2**53)] | None = Field(
        default=None,
        description="clocks with the same seed wander alike; drawn from the scenario's seed if "
        "absent, different for every node",
    )


class Temperature(Model):
    """The oscillator's frequency follows a sinusoid, as it follows the temperature."""

    amplitude: Excursion = Field(description="how far to either side of its drift")
    period: TemperaturePeriod = Field(description="from peak to peak")
    phase: TemperaturePhase = Field(
        default=0, description="how far into its period it begins; at 0 it is on its way up"
    )


class MachineClock(Model):
    """How a machine's wall clock is wrong when the clocks are `skewed`."""

    offset: Offset = Field(default=0, description="wall clock minus true time at the start")
    drift: Drift = Field(default=0.0, description="oscillator error; positive runs fast")
    wander: Wander | None = Field(default=None, description="its frequency walks at random")
    temperature: Temperature | None = Field(
        default=None, description="its frequency follows a sinusoid"
    )
    uptime: Uptime | None = Field(
        default=None,
        description="how much longer than the host this machine has been up (whole seconds); "
        "drawn from the seed if absent, different for every node",
    )


class Makestep(Model):
    """When an NTP daemon may jump instead of slewing. Not every daemon can be told all of it: see
    the explanation of NTP daemons."""

    threshold: Accuracy = Field(
        default=100 * NS_PER_MS, description="jump only if off by more than this"
    )
    limit: Annotated[Whole, Field(ge=-1, le=1_000_000)] = Field(
        default=-1, description="only in that many first clock updates; -1 for always"
    )


class NtpDefaults(Model):
    """How the NTP daemons of all nodes are configured, as far as each can be told."""

    daemon: NtpDaemon = Field(
        default="chrony",
        description="which NTP daemon steers the servers' clocks; time servers and the database "
        "have chrony",
    )
    minpoll: Annotated[Whole, Field(ge=-6, le=24)] = Field(
        default=-2, description="shortest time between polls, as a power of two of seconds"
    )
    maxpoll: Annotated[Whole, Field(ge=-6, le=24)] = Field(
        default=0, description="longest time between polls, as a power of two of seconds"
    )
    makestep: Makestep | None = Field(
        default=Makestep(), description="`null`: never jump, slew whatever it takes"
    )
    max_slew: SlewRate | None = Field(
        default=None, description="fastest slew of chronyd; its default if absent"
    )
    options: tuple[OneLine, ...] = Field(
        default=(),
        max_length=100,
        description="further lines for every chrony.conf, put in as they are",
    )


class ServerNtp(Model):
    """The NTP client of one server."""

    daemon: NtpDaemon | None = Field(
        default=None, description="which NTP daemon steers the clock; the lab's if absent"
    )
    sources: tuple[Name, ...] | None = Field(
        default=None, max_length=10, description="time servers it asks; all of them if absent"
    )
    options: tuple[OneLine, ...] = Field(
        default=(),
        max_length=100,
        description="further lines for its daemon's configuration, put in as they are",
    )


class Server(Model):
    """A booking server: one container, with a wall clock, an NTP daemon and an app of its own."""

    name: Name = Field(description="also its DNS name")
    clock: MachineClock = Field(default=MachineClock(), description="how its wall clock is wrong")
    ntp: ServerNtp = Field(default=ServerNtp(), description="its NTP daemon")
    port: Annotated[Whole, Field(ge=1, le=65_535)] | None = Field(
        default=None, description="publish the booking API on this port of 127.0.0.1"
    )


class TimeServer(Model):
    """A container whose chronyd serves time."""

    name: Name = Field(description="also its DNS name")
    stratum: Annotated[Whole, Field(ge=1, le=15)] = Field(
        default=1, description="stratum it announces"
    )
    clock: MachineClock = Field(default=MachineClock(), description="how its wall clock is wrong")


class Database(Model):
    """PostgreSQL, a machine with a wall clock like any other."""

    clock: MachineClock = Field(default=MachineClock(), description="how its wall clock is wrong")
    ntp: Flag = Field(
        default=False, description="run an NTP daemon there too, switched like the servers'"
    )
