"""A lab that stands without a timeline: brought up by `up` or by the page, found again by label.

After lab, before the command line and the page, which bend it by hand.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from pydantic import TypeAdapter

from .driver.base import Driver
from .errors import LabError
from .events import Emit
from .faults import LabHandle
from .faults.clocks import OBSERVER, PROGRAM
from .lab import Lab
from .labtime import LabClock
from .plan import Plan
from .topology import RUN_LABEL

PLAN_LABEL = "ntplab.plan"
PLAN_JSON_LABEL = "ntplab.plan.json"
"""The plan itself, without phases: who finds the lab knows what it was made from."""


def plan_checksum(plan: Plan) -> str:
    """What tells whether a lab that is up is the one asked for."""
    return hashlib.sha256(json.dumps(plan.to_json(), sort_keys=True).encode()).hexdigest()


def is_up(driver: Driver, name: str, checksum: str) -> bool:
    """Whether exactly this lab is there, all of it running."""
    containers = driver.containers(name)
    return bool(containers) and all(
        info.status == "running" and info.labels.get(PLAN_LABEL) == checksum for info in containers
    )


def bring_up(driver: Driver, plan: Plan, name: str, emit: Emit) -> None:
    """Start the lab; remove what was made of it if that fails or is interrupted."""
    lab = Lab(driver, plan, name, LabClock.anchored_now(), emit, lambda _table, _rows: None)
    try:
        lab.up({PLAN_LABEL: plan_checksum(plan), PLAN_JSON_LABEL: plan_text(plan)})
    except BaseException:
        lab.down()
        raise


def plan_text(plan: Plan) -> str:
    """`plan` without its timeline, as compact JSON: what `plan_of` reads again."""
    return json.dumps(replace(plan, phases=(), expectations=()).to_json(), separators=(",", ":"))


def plan_of(driver: Driver, name: str, runs: Path) -> Plan:
    """What a running lab was made from: by its label, or by the run that left it (`run --keep`).

    Raises `LabError` for a lab that says neither.
    """
    labels = [info.labels for info in driver.containers(name)]
    text = next((found[PLAN_JSON_LABEL] for found in labels if PLAN_JSON_LABEL in found), None)
    if text is None:
        run = next((found[RUN_LABEL] for found in labels if RUN_LABEL in found), None)
        kept = list(runs.glob(f"*/{run}/plan.json")) if run else []
        text = kept[0].read_text() if kept else None
    if text is None:
        raise LabError(
            f"lab {name} does not say what it was made from",
            hint="take it down with `./ntplab down` and bring it up again",
        )
    return TypeAdapter(Plan).validate_python(json.loads(text))


def lab_handle(driver: Driver, lab: str) -> LabHandle:
    """A handle on a running lab; its lab time is asked of its observer."""
    now = json.loads(LabHandle(driver, lab, LabClock(0)).must(OBSERVER, [PROGRAM, "now"]))
    return LabHandle(driver, lab, LabClock(now["lab_ns"] - now["raw_ns"]))
