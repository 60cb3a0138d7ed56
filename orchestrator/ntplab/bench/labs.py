"""A lab for a benchmark: brought up from a few words, removed whatever happens."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ..driver.base import Driver
from ..lab import Lab, silent
from ..labtime import LabClock
from ..plan import Plan
from ..planner import make_plan
from ..run import Heed
from ..scenario import parse_scenario
from .samples import ClockSamples

TIME_SERVER = "ntp1"


def plan_of(servers: int, policy: str, *, ntp_running: bool) -> Plan:
    """A plan of `servers` booking servers with true clocks; their chronyd running or stopped."""
    return make_plan(parse_scenario(json.dumps(scenario(servers, policy, ntp_running))))


def scenario(servers: int, policy: str, ntp_running: bool) -> Mapping[str, Any]:
    """As a scenario file says it. Its one phase is never run: the benchmark does that itself."""
    # A first phase that stops daemons has them begin stopped; one that cuts sources, running.
    method = "sources" if ntp_running else "daemon"
    return {
        "name": "bench",
        "policy": policy,
        "time_servers": [{"name": TIME_SERVER}],
        "servers": [{"name": f"server{number}"} for number in range(1, servers + 1)],
        "phases": [{"name": "idle", "duration": "1s", "ntp": "off", "method": method}],
    }


def fresh_name() -> str:
    """A lab name that no other call of `bench` has."""
    return f"bench-{secrets.token_hex(3)}"


@contextmanager
def undisturbed() -> Iterator[None]:
    """Cleaning up is not cut short by a second Ctrl-C."""
    heed = Heed()
    heed.not_now()
    try:
        yield
    finally:
        heed.again()


@contextmanager
def lab_for(driver: Driver, plan: Plan, samples: ClockSamples | None = None) -> Iterator[Lab]:
    """A lab that is not up yet; `samples` gets what the observer sees of its clocks."""
    append = (samples or ClockSamples()).append
    lab = Lab(driver, plan, fresh_name(), LabClock.anchored_now(), silent, append)
    try:
        yield lab
    finally:
        with undisturbed():
            lab.down()


@contextmanager
def standing(driver: Driver, plan: Plan, samples: ClockSamples | None = None) -> Iterator[Lab]:
    """A lab that is up: every node answers."""
    with lab_for(driver, plan, samples) as lab:
        lab.up({})
        yield lab
