"""What a run will do, with every default filled in and every quantity resolved.

Second stage of the pipeline: scenario -> plan -> topology -> render -> driver. Pure. `run.py`
executes a `Plan`, the manifest stores it, `planner.py` makes it. Times are ns, within a phase
they count from the moment the load begins.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from .oscillator import STEADY, OscillatorPlan, StrobePlan, TemperaturePlan, WanderPlan
from .train_plan import CustomersPlan, LinkPlan, TrainPlan

APP_PORT = 8000

Method = Literal["daemon", "network", "sources"]


@dataclass(frozen=True)
class ClockPlan:
    """A node's wall clock when it is skewed, and how long the machine claims to be up."""

    offset_ns: int
    drift_ppm: float
    uptime_s: int
    oscillator: OscillatorPlan = STEADY
    seed: int = 0
    """what its random walk is drawn from, unless a fault names another"""


@dataclass(frozen=True)
class NtpPlan:
    """What goes into every chrony.conf. Polls are powers of two of seconds."""

    minpoll: int
    maxpoll: int
    makestep_threshold_ns: int | None
    """None: never step"""
    makestep_limit: int
    max_slew_ppm: float | None
    options: tuple[str, ...]


@dataclass(frozen=True)
class ServerPlan:
    """One booking server, or node of the train system; `sources`: whom its NTP daemon asks."""

    name: str
    clock: ClockPlan
    daemon: str
    sources: tuple[str, ...]
    ntp_options: tuple[str, ...]
    ntp_at_start: bool
    """whether its NTP daemon runs from the start"""
    port: int | None
    """published on 127.0.0.1"""


@dataclass(frozen=True)
class TimeServerPlan:
    name: str
    clock: ClockPlan
    stratum: int


@dataclass(frozen=True)
class DatabasePlan:
    name: str
    clock: ClockPlan
    ntp: bool
    """whether it has an NTP daemon at all"""
    sources: tuple[str, ...]
    ntp_at_start: bool


@dataclass(frozen=True)
class LoadPlan:
    """One load pattern of one phase; fields that the pattern does not have are None.

    Its seats are numbered `first_seat` to `first_seat + seats - 1`; no other pattern and no
    other phase uses them.
    """

    kind: Literal["races", "hot-spot"]
    rate_hz: float
    arrival: Literal["poisson", "uniform"]
    first_seat: int
    seats: int
    confirm_min_ns: int
    confirm_max_ns: int
    gap_min_ns: int | None = None
    gap_max_ns: int | None = None
    hot_seats: int | None = None
    hot_share: float | None = None


@dataclass(frozen=True)
class FaultPlan:
    """One fault; only the values that its kind needs are set."""

    at_ns: int
    node: str
    kind: Literal[
        "step",
        "offset",
        "drift",
        "wander",
        "temperature",
        "strobe",
        "steady",
        "freeze",
        "thaw",
        "date",
        "exec",
        "kill",
        "ntp-off",
        "ntp-on",
        "restart",
        "link",
        "partition",
        "heal",
        "snapshot",
    ]
    by_ns: int | None = None
    """step: jump by this much"""
    offset_ns: int | None = None
    """offset: wall clock minus lab time afterwards"""
    drift_ppm: float | None = None
    wander: WanderPlan | None = None
    temperature: TemperaturePlan | None = None
    strobe: StrobePlan | None = None
    date: str | None = None
    """date: the argument of `date -s`, UTC"""
    argv: tuple[str, ...] | None = None
    """exec: the command"""
    method: Method | None = None
    """ntp-off, ntp-on"""
    link: LinkPlan | None = None
    action: str | None = None
    """snapshot: take or load"""


@dataclass(frozen=True)
class SettlePlan:
    limit_ns: int
    timeout_ns: int


@dataclass(frozen=True)
class ClockSetting:
    """What a node's clock is set to when the phase sets the clocks."""

    node: str
    offset_ns: int
    drift_ppm: float
    oscillator: OscillatorPlan = STEADY


@dataclass(frozen=True)
class PhasePlan:
    """One phase. In order: NTP off (if `ntp` is off), clocks set, NTP on (if on), settled,
    then the load and, counted from its beginning, the faults."""

    name: str
    duration_ns: int
    ntp: Literal["on", "off", "keep"]
    method: Method
    switched: tuple[str, ...]
    """the nodes that `ntp` is about; empty when it is `keep`"""
    steered: tuple[str, ...]
    """the nodes whose NTP is on when the load begins"""
    clocks: Literal["true", "skewed", "keep"]
    set_clocks: tuple[ClockSetting, ...]
    """empty when `clocks` is `keep`"""
    settle: SettlePlan | None
    seed: int
    load: tuple[LoadPlan, ...]
    faults: tuple[FaultPlan, ...]
    """by time"""
    trial_of: str | None = None
    """the phase of the scenario that this is one trial of, where it has several"""
    trial: int = 1
    customers: CustomersPlan | None = None
    """the clients' load in the train system; None for none"""

    @property
    def begins_off(self) -> bool:
        """NTP goes off before anything else: a daemon would put right what the phase sets."""
        return self.ntp == "off" or (self.ntp == "on" and bool(self.set_clocks))


@dataclass(frozen=True)
class SamplingPlan:
    clock_hz: int
    belief_hz: int


@dataclass(frozen=True)
class Plan:
    """Everything a run does, and with what."""

    name: str
    description: str
    system: str
    seed: int
    policy: str
    policy_params: dict[str, int]
    """`stability_ns`, `ttl_ns`, ...: as the booking service takes them"""
    servers: tuple[ServerPlan, ...]
    time_servers: tuple[TimeServerPlan, ...]
    database: DatabasePlan | None
    """the train system has none"""
    ntp: NtpPlan
    request_timeout_ns: int
    phases: tuple[PhasePlan, ...]
    expectations: tuple[str, ...]
    sampling: SamplingPlan
    train: TrainPlan | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain data for plan.json and the manifest; tuples become lists.

        What only the other system has is left out.
        """
        plain: dict[str, Any] = _lists(asdict(self))
        if self.train is None:
            del plain["train"]
            for phase in plain["phases"]:
                del phase["customers"]
                for fault in phase["faults"]:
                    del fault["link"], fault["action"]
        return plain

    @property
    def steered_database(self) -> DatabasePlan | None:
        """The database where there is one with an NTP daemon."""
        return self.database if self.database and self.database.ntp else None

    @property
    def clocks(self) -> dict[str, ClockPlan]:
        """The clock of every node that has one: time servers, database, servers."""
        return {
            **{time_server.name: time_server.clock for time_server in self.time_servers},
            **({self.database.name: self.database.clock} if self.database else {}),
            **{server.name: server.clock for server in self.servers},
        }

    @property
    def holds(self) -> bool:
        """Whether the policy holds a seat first and wants it confirmed."""
        return self.policy.startswith("lease")

    def phase(self, name: str) -> PhasePlan:
        """The phase so named; KeyError if there is none."""
        for phase in self.phases:
            if phase.name == name:
                return phase
        raise KeyError(name)


def load_json(phase: PhasePlan, plan: Plan, start_lab_ns: int) -> dict[str, Any]:
    """The buyers' load.json for `phase`, whose load begins at `start_lab_ns`."""
    return {
        "phase": phase.name,
        "seed": phase.seed,
        "start_lab_ns": start_lab_ns,
        "duration_ns": phase.duration_ns,
        "servers": {server.name: f"http://{server.name}:{APP_PORT}" for server in plan.servers},
        "policy_holds": plan.holds,
        "timeout_ns": plan.request_timeout_ns,
        "patterns": [_pattern_json(load) for load in phase.load],
    }


def _pattern_json(load: LoadPlan) -> dict[str, Any]:
    """Only what the buyers know: a race takes as many seats as it needs."""
    fields = {key: value for key, value in asdict(load).items() if value is not None}
    if load.kind == "races":
        del fields["seats"]
    return fields


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(item) for key, item in value.items()}
    return [_lists(item) for item in value] if isinstance(value, tuple) else value
