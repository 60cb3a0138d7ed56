"""What every node of the stack reads, written to /config by a service that does so and ends.

The files are those that a lab of the same plan would get (`render.py`): the stack's clocks and
daemons are no others than a lab's.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from ..analysis import check_expectation, check_sweep_expectation
from ..plan import Plan
from ..planner import make_plan
from ..render import render_files
from ..scenario import Checks, load_experiment
from ..scenario.nodes import BUYERS, DATABASE, OBSERVER
from ..standing import plan_text
from ..topology import build
from . import allowed, hands
from .settings import SERVERS, Settings

CONFIG = Path("/config")
LAB = "stack"
TIME_SERVER = "ntp1"
PLAN_FILE = "plan.json"
MACHINES = (TIME_SERVER, DATABASE, *SERVERS)
NODES = (OBSERVER, *MACHINES, BUYERS)
RUN_FOLDERS = {
    "/run/chrony": "0700", "/run/ntplab": "0755", "/run/service": "0755", "/run/postgresql": "0755"
}  # fmt: skip
# A lab's database dies with its container, this one outlives crashes of the machine; and a disk
# holds more than a lab of minutes needs.
DATABASE_SETTINGS = """fsync = on
full_page_writes = on
max_wal_size = '192MB'
min_wal_size = '32MB'
max_connections = 60
shared_buffers = '48MB'
"""
DATABASE_FILE = "/var/lib/postgresql/data/postgresql.auto.conf"


def scenario_of(settings: Settings) -> dict[str, Any]:
    """The stack as a scenario: one time server, three servers, all NTP on or off."""
    clocks = {
        name: {"offset": settings.skew[name], "drift": settings.drift[name]} for name in SERVERS
    }
    return {
        "name": LAB,
        "policy": {"name": settings.policy},
        "time_servers": [{"name": TIME_SERVER}],
        "servers": [{"name": name, "clock": clocks[name]} for name in SERVERS],
        "phases": [{"name": "standing", "duration": "10s", "ntp": settings.ntp}],
    }


def plan_for(settings: Settings, folder: Path) -> Plan:
    """Raises `ScenarioError` with all that is wrong with the clocks' settings.

    In a scenario daemons wait for their phase; here they are started with their machines.
    """
    file = folder / "scenario.yaml"
    file.write_text(yaml.safe_dump(scenario_of(settings), sort_keys=False))
    checks = Checks(check_expectation, check_sweep_expectation)
    plan = make_plan(load_experiment(file, [], checks).scenario)
    on = settings.ntp == "on"
    servers = tuple(replace(server, ntp_at_start=on) for server in plan.servers)
    return replace(plan, servers=servers)


def prepare(settings: Settings, folder: Path = CONFIG) -> None:
    """Write everything; what an earlier version left goes first."""
    plan = plan_for(settings, folder)
    (folder / PLAN_FILE).write_text(plan_text(plan))
    shutil.copyfile(hands.__file__, folder / "hands.py")
    environments = {spec.name: spec.environment for spec in build(plan, LAB, 0).nodes}
    environments[OBSERVER].pop("NTPLAB_ANCHOR_NS")  # it makes its own
    files = render_files(plan)
    files.setdefault(DATABASE, {})[DATABASE_FILE] = DATABASE_SETTINGS.encode()
    for node in NODES:
        shutil.rmtree(folder / node, ignore_errors=True)
        for path, content in files.get(node, {}).items():
            target = folder / node / path.lstrip("/")
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(without_logs(content))
        told = {**about(node), "environment": environments.get(node, {})}
        (folder / f"{node}.json").write_text(json.dumps(told, indent=1))


def without_logs(content: bytes) -> bytes:
    """chrony.conf without its measurement logs: a run wants them, here they would grow for ever."""
    lines = content.splitlines(keepends=True)
    return b"".join(line for line in lines if not line.startswith((b"log ", b"logdir ")))


def about(node: str) -> Mapping[str, Any]:
    """NODE.json, see hands.py."""
    if node == OBSERVER:
        return {"allowed": allowed.of_observer(), "stream": True, "anchor": True}
    if node == BUYERS:
        return {"allowed": allowed.of_buyers(), "stream": True, "on_request": True}
    if node == DATABASE:
        lines = allowed.of_database()
    else:
        lines = allowed.of_server() if node in SERVERS else allowed.of_every_machine()
    return {"allowed": lines, "page": "/clock/page", "folders": RUN_FOLDERS}
