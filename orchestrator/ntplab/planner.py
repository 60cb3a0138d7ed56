"""Makes the `Plan` of a scenario: fills in, resolves, draws from the seed.

Second stage of the pipeline, beside `plan.py`, which says what a plan is. Pure: the same
scenario always gives the same plan.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from .oscillator import StrobePlan, TemperaturePlan, WanderPlan
from .oscillator_planner import SEED_BITS, oscillator_seed, plan_oscillator
from .plan import (
    ClockPlan,
    ClockSetting,
    DatabasePlan,
    FaultPlan,
    LoadPlan,
    NtpPlan,
    PhasePlan,
    Plan,
    SamplingPlan,
    ServerPlan,
    SettlePlan,
    TimeServerPlan,
)
from .scenario.faults import (
    EVERYBODY,
    Exec,
    Fault,
    Link,
    NtpOff,
    NtpOn,
    SetDate,
    SetDrift,
    SetOffset,
    SetTemperature,
    SetWander,
    Snapshot,
    Step,
    Strobe,
)
from .scenario.models import Phase, Scenario
from .scenario.nodes import DATABASE, MachineClock
from .scenario.workload import LoadPattern, Races
from .train_plan import CustomersPlan
from .train_planner import plan_customers, plan_links, plan_train
from .units import NS_PER_S

UPTIME_S_MIN = 3_600
UPTIME_S_MAX = 400 * 86_400


def make_plan(scenario: Scenario) -> Plan:
    """The plan of a valid scenario."""
    uptimes_s = _uptimes_s(scenario)
    return Plan(
        name=scenario.name,
        description=scenario.description,
        system=scenario.system,
        seed=scenario.seed,
        policy=scenario.train.protocol if scenario.train else _policy_name(scenario),
        policy_params=_policy_params(scenario),
        servers=tuple(_servers(scenario, uptimes_s)),
        time_servers=tuple(
            TimeServerPlan(t.name, _clock(scenario, t.name, uptimes_s), t.stratum)
            for t in scenario.time_servers
        ),
        database=None if scenario.train else _database(scenario, uptimes_s),
        ntp=_ntp(scenario),
        request_timeout_ns=scenario.request_timeout,
        phases=tuple(_phases(scenario)),
        expectations=tuple(text.strip() for text in scenario.expect),
        sampling=SamplingPlan(scenario.sampling.clock_hz, scenario.sampling.belief_hz),
        train=plan_train(scenario.train) if scenario.train else None,
    )


# --- nodes --------------------------------------------------------------------------------


def _machines(scenario: Scenario) -> dict[str, MachineClock]:
    return {
        **{time_server.name: time_server.clock for time_server in scenario.time_servers},
        **{server.name: server.clock for server in scenario.machines},
        **({} if scenario.train else {DATABASE: scenario.database.clock}),
    }


def _uptimes_s(scenario: Scenario) -> dict[str, int]:
    """Uptimes as given, the others drawn: all different, and the same for the same seed."""
    machines = _machines(scenario)
    uptimes_s = {n: c.uptime // NS_PER_S for n, c in machines.items() if c.uptime is not None}
    for name in machines:
        if name not in uptimes_s:
            uptimes_s[name] = _draw_uptime_s(f"{scenario.seed}/uptime/{name}", uptimes_s.values())
    return uptimes_s


def _draw_uptime_s(seed: str, taken: Iterable[int]) -> int:
    rng = random.Random(seed)
    while True:
        uptime_s = rng.randint(UPTIME_S_MIN, UPTIME_S_MAX)
        if uptime_s not in taken:
            return uptime_s


def _clock(scenario: Scenario, name: str, uptimes_s: dict[str, int]) -> ClockPlan:
    clock = _machines(scenario)[name]
    seed = oscillator_seed(scenario.seed, name)
    oscillator = plan_oscillator(clock, seed)
    return ClockPlan(clock.offset, clock.drift, uptimes_s[name], oscillator, seed)


def _servers(scenario: Scenario, uptimes_s: dict[str, int]) -> Iterator[ServerPlan]:
    everybody = tuple(t.name for t in scenario.time_servers)
    for server in scenario.machines:
        sources = everybody if server.ntp.sources is None else server.ntp.sources
        yield ServerPlan(
            name=server.name,
            clock=_clock(scenario, server.name, uptimes_s),
            daemon=server.ntp.daemon or scenario.ntp.daemon,
            sources=sources,
            ntp_options=server.ntp.options,
            ntp_at_start=_ntp_at_start(scenario, server.name),
            port=server.port,
        )


def _database(scenario: Scenario, uptimes_s: dict[str, int]) -> DatabasePlan:
    ntp = scenario.database.ntp
    return DatabasePlan(
        name=DATABASE,
        clock=_clock(scenario, DATABASE, uptimes_s),
        ntp=ntp,
        sources=tuple(t.name for t in scenario.time_servers) if ntp else (),
        ntp_at_start=ntp and _ntp_at_start(scenario, DATABASE),
    )


def _ntp_at_start(scenario: Scenario, node: str) -> bool:
    """Whether the daemon runs before the first phase switches anything.

    Where the first phase starts and stops daemons they begin stopped, so that none of them
    touches a clock before its phase; cut networks and offline sources need them running.
    Nodes that the first phase does not switch begin in the opposite of its state.
    """
    first = scenario.phases[0]
    if node in _switched(scenario, first):
        return first.method != "daemon"
    return first.ntp == "off"


def _ntp(scenario: Scenario) -> NtpPlan:
    ntp = scenario.ntp
    return NtpPlan(
        minpoll=ntp.minpoll,
        maxpoll=ntp.maxpoll,
        makestep_threshold_ns=ntp.makestep.threshold if ntp.makestep else None,
        makestep_limit=ntp.makestep.limit if ntp.makestep else 0,
        max_slew_ppm=ntp.max_slew,
        options=ntp.options,
    )


def _policy_name(scenario: Scenario) -> str:
    assert scenario.policy is not None, "checked: a concert has one"
    return scenario.policy.name


def _policy_params(scenario: Scenario) -> dict[str, int]:
    if scenario.train is not None:
        return {"hold_ns": scenario.train.hold}
    assert scenario.policy is not None, "checked: a concert has one"
    given = scenario.policy.model_dump(exclude={"name"})
    return {f"{key}_ns": value for key, value in given.items()}


# --- phases -------------------------------------------------------------------------------


def _phases(scenario: Scenario) -> Iterator[PhasePlan]:
    seat = 1
    names = [node.name for node in scenario.machines]
    steerable = [*names, *([DATABASE] if scenario.database.ntp else [])]
    on = {node for node in steerable if _ntp_at_start(scenario, node)}
    for index, phase in enumerate(scenario.phases):
        switched = _switched(scenario, phase)
        on = on | set(switched) if phase.ntp == "on" else on - set(switched)
        patterns = scenario.load if phase.load is None else phase.load
        clocks = "skewed" if index == 0 and phase.clocks == "keep" else phase.clocks
        for trial in range(1, phase.trials + 1):
            load = tuple(_loads(patterns, phase.duration, seat))
            seat += sum(item.seats for item in load)
            yield PhasePlan(
                name=trial_name(phase.name, trial) if phase.trials > 1 else phase.name,
                duration_ns=phase.duration,
                ntp=phase.ntp,
                method=phase.method,
                switched=switched,
                steered=tuple(node for node in steerable if node in on),
                clocks=clocks,
                set_clocks=tuple(_settings(scenario, clocks)),
                settle=_settle(phase),
                seed=_phase_seed(scenario.seed, phase.name, trial),
                load=load,
                faults=tuple(_faults(scenario, phase)),
                trial_of=phase.name if phase.trials > 1 else None,
                trial=trial,
                customers=_customers(scenario, phase),
            )


def trial_name(phase: str, trial: int) -> str:
    """`ntp-off.2`: no name that a scenario can give holds a dot."""
    return f"{phase}.{trial}"


def _phase_seed(seed: int, phase: str, trial: int) -> int:
    """The seed of one trial's arrivals: from the scenario's seed, the phase and the trial."""
    text = f"{seed}/phase/{phase}" + (f"/trial/{trial}" if trial > 1 else "")
    return random.Random(text).getrandbits(SEED_BITS)


def _switched(scenario: Scenario, phase: Phase) -> tuple[str, ...]:
    if phase.ntp == "keep":
        return ()
    if phase.servers is not None:
        return phase.servers
    names = tuple(server.name for server in scenario.machines)
    return (*names, DATABASE) if scenario.database.ntp else names


def _settings(scenario: Scenario, clocks: str) -> Iterator[ClockSetting]:
    for name, clock in _machines(scenario).items():
        if clocks == "skewed":
            seed = oscillator_seed(scenario.seed, name)
            yield ClockSetting(name, clock.offset, clock.drift, plan_oscillator(clock, seed))
        elif clocks == "true":
            yield ClockSetting(name, 0, 0.0)


def _settle(phase: Phase) -> SettlePlan | None:
    if phase.ntp != "on" or phase.settle is None:
        return None
    return SettlePlan(phase.settle.limit, phase.settle.timeout)


def _loads(
    patterns: Iterable[LoadPattern], duration_ns: int, first_seat: int
) -> Iterator[LoadPlan]:
    for item in patterns:
        load = _load(item, duration_ns, first_seat)
        first_seat += load.seats
        yield load


def _load(item: LoadPattern, duration_ns: int, first_seat: int) -> LoadPlan:
    common: dict[str, Any] = {
        "rate_hz": item.rate,
        "arrival": item.arrival,
        "first_seat": first_seat,
        "confirm_min_ns": item.confirm_after[0],
        "confirm_max_ns": item.confirm_after[1],
    }
    if isinstance(item, Races):
        own: dict[str, Any] = {
            "seats": _race_seats(item.rate, duration_ns),
            "gap_min_ns": item.gap[0],
            "gap_max_ns": item.gap[1],
        }
    else:
        own = {"seats": item.seats, "hot_seats": item.hot_seats, "hot_share": item.hot_share}
    return LoadPlan(kind=item.pattern, **common, **own)


def _race_seats(rate_hz: float, duration_ns: int) -> int:
    """Seats for every race that may begin: a Poisson count stays below mean + 8 sigma + 20."""
    mean = rate_hz * duration_ns / NS_PER_S
    return math.ceil(mean + 8 * math.sqrt(mean) + 20)


def _customers(scenario: Scenario, phase: Phase) -> CustomersPlan | None:
    if scenario.train is None or phase.load is not None:
        return None
    return plan_customers(scenario.train.load)


def _faults(scenario: Scenario, phase: Phase) -> Iterator[FaultPlan]:
    """By time; one that strikes everybody is one for each node of the train system."""
    for fault in sorted(phase.faults, key=lambda f: f.at):
        plan = _fault(fault)
        if fault.server == EVERYBODY and scenario.train:
            yield from (replace(plan, node=node.name) for node in scenario.machines)
        else:
            yield plan


def _fault(fault: Fault) -> FaultPlan:
    plan = FaultPlan(fault.at, fault.server, fault.kind)
    match fault:
        case Step():
            return replace(plan, by_ns=fault.value)
        case SetOffset():
            return replace(plan, offset_ns=fault.value)
        case SetDrift():
            return replace(plan, drift_ppm=fault.value)
        case SetWander():
            return replace(plan, wander=WanderPlan(fault.value, fault.seed))
        case SetTemperature():
            model = TemperaturePlan(fault.value, fault.period, fault.phase)
            return replace(plan, temperature=model)
        case Strobe():
            return replace(plan, strobe=StrobePlan(fault.value, fault.period, fault.lasts))
        case SetDate():
            return replace(plan, date=fault.value)
        case Exec():
            return replace(plan, argv=fault.value)
        case NtpOff() | NtpOn():
            return replace(plan, method=fault.value)
        case Link():
            return replace(plan, link=plan_links(fault.value))
        case Snapshot():
            return replace(plan, action=fault.value)
    return plan
