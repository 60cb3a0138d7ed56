"""`fleet run|probe`: hosts of one's own whose real clocks go wrong."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import requests
import typer

from ..errors import ExitCode, UsageError
from ..fleet import Fleet, FleetRequest, NoAnswer, query, read_inventory, run_fleet
from ..labtime import LabClock
from ..planner import make_plan
from ..scenario.models import as_plain
from ..units import format_duration
from .loading import all_overrides, load_all
from .options import Json, Overrides, ScenarioFile
from .output import out
from .progress import Narrator
from .run import VERDICT_CODES, Out, Runs, Seed, conclude, told_where
from .verdict import show

app = typer.Typer(help="Run experiments on hosts of your own, on real clocks.")

Inventory = Annotated[
    Path,
    typer.Option(
        "--inventory", "-i", metavar="FILE", help="Ansible inventory with a group `servers`."
    ),
]
NoDeploy = Annotated[
    bool, typer.Option("--no-deploy", help="The servers are deployed, with the scenario's policy.")
]


@app.command("run")
def run(
    file: ScenarioFile,
    inventory: Inventory,
    seed: Seed = None,
    overrides: Overrides = None,
    out_directory: Out = None,
    runs: Runs = Path("runs"),
    no_deploy: NoDeploy = False,
    json: Json = False,
) -> None:
    """Run a scenario on hosts of your own, judged by NTP probes.

    Sets their clocks wrong where the scenario says so: only hosts with allow_clock_changes: true,
    each guarded by a watchdog that restores its time whatever happens. Exit codes as of `run`.
    """
    experiment = load_all(file, overrides, seed)
    if experiment.points:
        raise UsageError("a sweep runs in a lab, not on a fleet", hint="./ntplab run FILE")
    plan = make_plan(experiment.scenario)
    request = FleetRequest(
        plan,
        read_inventory(inventory),
        experiment.text,
        as_plain(experiment.scenario),
        runs,
        out_directory,
        not no_deploy,
        all_overrides(overrides, seed),
    )
    with Narrator(out, plan) as narrator, told_where(narrator):
        directory, results = run_fleet(request, narrator)
    show(results, json=json)
    conclude(directory, keep=False)
    raise typer.Exit(VERDICT_CODES[results.verdict])


@app.command("probe")
def probe(inventory: Inventory, json: Json = False) -> None:
    """Ask every clock for its time, and what its chronyd believes."""
    fleet = read_inventory(inventory)
    clock = LabClock.anchored_now()
    targets = [("reference", fleet.reference, fleet.reference_port, "")]
    targets += [(h.name, h.address, h.probe_port, h.url) for h in fleet.hosts]
    with ThreadPoolExecutor(len(targets)) as pool:
        seen = list(pool.map(lambda target: _seen(clock, *target), targets))
    zero_ns = seen[0]["offset_ns"] or 0
    for one in seen:
        if one["offset_ns"] is not None:
            one["offset_ns"] -= zero_ns
            one["error_ns"] += (seen[0]["error_ns"] or 0) if one is not seen[0] else 0
    if json:
        out.json({"schema": 1, "reference": fleet.reference, "clocks": seen})
    else:
        out.table(
            ["clock", "off by", "to within", "chronyd believes", "may change", "why not"],
            [_row(one, fleet) for one in seen],
        )
    if any(one["offset_ns"] is None for one in seen):
        raise typer.Exit(ExitCode.UNKNOWN)


def _seen(clock: LabClock, name: str, address: str, port: int, url: str) -> dict[str, Any]:
    found: dict[str, Any] = {"name": name, "offset_ns": None, "error_ns": None, "why": ""}
    try:
        asked = (query(address, port, clock) for _ in range(4))
        best = min(asked, key=lambda one: one.error_ns)
        found |= {"offset_ns": best.offset_ns, "error_ns": best.error_ns}
    except NoAnswer as error:
        found["why"] = str(error)
    if url:
        try:
            found["chronyd"] = requests.get(f"{url}/clock", timeout=2).json()["chronyd"]
        except (requests.RequestException, ValueError, KeyError) as error:
            found["why"] = found["why"] or f"{url}: {type(error).__name__}"
    return found


def _row(one: dict[str, Any], fleet: Fleet) -> list[str]:
    belief = one.get("chronyd") or {}
    believed = belief.get("offset_ns")
    may = {host.name: "yes" if host.may_change else "no" for host in fleet.hosts}
    return [
        one["name"],
        "?" if one["offset_ns"] is None else format_duration(one["offset_ns"]),
        "?" if one["error_ns"] is None else format_duration(one["error_ns"]),
        format_duration(believed) if believed is not None else str(belief.get("state", "")),
        may.get(one["name"], ""),
        one["why"],
    ]
