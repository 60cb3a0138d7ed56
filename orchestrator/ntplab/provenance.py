"""What a run was made with: for the manifest. After lab, before run.py."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import __version__
from .daemons import CHRONY, DAEMONS
from .evidence import Manifest, ManifestNode, ManifestPhase, ManifestSweep, Skew
from .lab import Lab
from .paths import REPO_DIR
from .plan import Plan
from .topology import NodeSpec

CLOCKSOURCE = Path("/sys/devices/system/clocksource/clocksource0/current_clocksource")
VERSION_OF = ("dpkg-query", "--show", "--showformat", "${Version}")
TOOLS = ("docker", "pydantic", "pyarrow", "Jinja2")


def manifest(
    lab: Lab, run_id: str, scenario: Mapping[str, object], namespaces: Mapping[str, str]
) -> Manifest:
    """The manifest of a run; `namespaces` by node, as `Lab.time_namespaces` says, or empty."""
    plan, engine = lab.plan, lab.driver.info()
    return Manifest(
        run=run_id,
        **of_plan(plan),
        anchor_ns=lab.handle.clock.anchor_ns,
        nodes=_nodes(lab, namespaces),
        scenario=dict(scenario),
        versions={
            "ntplab": __version__,
            "python": platform.python_version(),
            "engine": engine.version,
            **{tool.lower(): importlib.metadata.version(tool) for tool in TOOLS},
        },
        kernel=engine.kernel,
        clocksource=CLOCKSOURCE.read_text().strip() if CLOCKSOURCE.exists() else "",
        git_commit=git("rev-parse", "HEAD"),
        git_dirty=bool(git("status", "--porcelain")),
        command_line=sys.argv,
        started_at=datetime.now(UTC).isoformat(),
    )


def point_manifest(
    made_of: Manifest,
    lab: Lab,
    run_id: str,
    scenario: Mapping[str, object],
    settings: Mapping[str, object],
) -> Manifest:
    """The manifest of one point of a sweep: `made_of` is that of the lab it runs in.

    What a plan decides is the point's own; engine, images and versions were looked up once.
    """
    plan = lab.plan
    return made_of.model_copy(
        update={
            "run": run_id,
            **of_plan(plan),
            "scenario": dict(scenario),
            "started_at": datetime.now(UTC).isoformat(),
            "point": dict(settings),
        }
    )


def sweep_manifest(plan: Plan, run_id: str, sweep: ManifestSweep) -> Manifest:
    """The manifest of a sweep: what its points have in common; each point has one of its own."""
    return Manifest(
        run=run_id,
        **of_plan(plan),
        nodes=[ManifestNode(name=server.name, kind="server") for server in plan.servers],
        sweep=sweep,
        versions={"ntplab": __version__, "python": platform.python_version()},
        git_commit=git("rev-parse", "HEAD"),
        git_dirty=bool(git("status", "--porcelain")),
        command_line=sys.argv,
        started_at=datetime.now(UTC).isoformat(),
    )


def of_plan(plan: Plan) -> dict[str, Any]:
    """What a manifest says that follows from the plan alone."""
    return {
        "scenario_name": plan.name,
        "policy": plan.policy,
        "policy_params": plan.policy_params,
        "seed": plan.seed,
        "skews": {
            name: Skew(offset_ns=c.offset_ns, drift_ppm=c.drift_ppm)
            for name, c in plan.clocks.items()
        },
        "phases": [ManifestPhase.model_validate(phase) for phase in plan.to_json()["phases"]],
        "expect": list(plan.expectations),
        "clock_sample_hz": plan.sampling.clock_hz,
        "plan": plan.to_json(),
    }


def _nodes(lab: Lab, namespaces: Mapping[str, str]) -> list[ManifestNode]:
    uptimes = {name: clock.uptime_s for name, clock in lab.plan.clocks.items()}
    nodes = []
    for spec in lab.topology.nodes:
        state = namespaces.get(spec.name, "off")
        nodes.append(
            ManifestNode(
                name=spec.name,
                kind=spec.kind,
                uptime_s=uptimes.get(spec.name, 0),
                time_namespace=state == "on",
                time_namespace_reason=state.removeprefix("off").lstrip(": "),
                image=spec.image,
                image_digest=lab.driver.image_id(spec.image) or "",
                **_ntp(lab, spec, up=bool(namespaces)),
            )
        )
    return nodes


def _ntp(lab: Lab, spec: NodeSpec, *, up: bool) -> dict[str, Any]:
    """Which NTP daemon steers a node; its version once the node is `up` and can be asked."""
    plan = lab.plan
    daemons = {server.name: server.daemon for server in plan.servers}
    daemons |= {server.name: CHRONY.name for server in plan.time_servers}
    if plan.steered_database:
        daemons[plan.steered_database.name] = CHRONY.name
    if spec.name not in daemons:
        return {}
    daemon = DAEMONS[daemons[spec.name]]
    asked = [*VERSION_OF, daemon.package]
    answer = lab.handle.exec(spec.name, asked) if up else None
    version = answer.stdout.strip() if answer and answer.ok else ""
    return {"ntp_daemon": daemon.name, "ntp_version": version}


def raw_offsets_ns(manifest: Manifest) -> dict[str, int]:
    """What each node's CLOCK_MONOTONIC_RAW shows more than the host's."""
    return {
        node.name: node.uptime_s * 1_000_000_000 if node.time_namespace else 0
        for node in manifest.nodes
    }


def git(*argv: str) -> str:
    """What git says of this repository; empty where there is none."""
    try:
        done = subprocess.run(
            ["git", "-C", str(REPO_DIR), *argv], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
