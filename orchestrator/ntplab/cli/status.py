"""`status`: what is up, and what each clock and NTP daemon of it does."""

from __future__ import annotations

from typing import Any

from ..driver.base import ContainerInfo, Driver
from ..faults import LabHandle, ntp_state, show_clocks
from ..faults.clocks import OBSERVER
from ..faults.handle import each
from ..oscillator import models_in_words
from ..units import format_ppm
from .clock import format_divergence
from .options import Json, LabName, connect, lab_handle, pick_lab
from .output import out


def status(lab: LabName = None, json: Json = False) -> None:
    """Show a running lab: containers, clocks, NTP, ports."""
    driver = connect()
    if not driver.labs() and lab is None:
        if json:
            out.json({"schema": 1, "lab": None, "nodes": []})
        else:
            out.step("no lab is up")
            out.next("./ntplab up playbooks/scenarios/concert.yaml")
        return
    name = pick_lab(driver, lab)
    nodes = node_states(driver, name)
    if json:
        out.json({"schema": 1, "lab": name, "nodes": nodes})
        return
    out.text(f"lab {name}")
    out.table(
        ["node", "kind", "container", "divergence", "ntp", "ports", "oscillator"],
        [_row(node) for node in nodes],
    )


def node_states(driver: Driver, lab: str) -> list[dict[str, Any]]:
    """Every node of `lab`; clocks and NTP only where they can be asked."""
    containers = sorted(driver.containers(lab), key=lambda c: (c.kind, c.node))
    observed = any(c.node == OBSERVER and c.status == "running" for c in containers)
    handle = lab_handle(driver, lab) if observed else None
    clocks = show_clocks(handle)["nodes"] if handle else {}
    return each(containers, lambda c: _state(handle, c, clocks))


def _state(
    handle: LabHandle | None, container: ContainerInfo, clocks: dict[str, Any]
) -> dict[str, Any]:
    asked = handle and container.kind == "server" and container.status == "running"
    ntp = ntp_state(handle, container.node) if handle and asked else None
    return {
        "node": container.node,
        "kind": container.kind,
        "status": container.status,
        "oscillator": clocks.get(container.node, {}).get("models"),
        "divergence_ns": clocks.get(container.node, {}).get("divergence_ns"),
        "ntp": None if ntp is None else ("on" if ntp.on else "off"),
        "ports": dict(container.ports),
    }


def _row(node: dict[str, Any]) -> tuple[str, ...]:
    divergence_ns = node["divergence_ns"]
    return (
        node["node"],
        node["kind"],
        node["status"],
        "" if divergence_ns is None else format_divergence(divergence_ns),
        node["ntp"] or "",
        " ".join(node["ports"].values()),
        _oscillator(node["oscillator"]),
    )


def _oscillator(models: dict[str, Any] | None) -> str:
    """Its constant drift, and what else it does."""
    if models is None:
        return ""
    drift = format_ppm(models["constant_ppm"]) if models["constant_ppm"] else ""
    return ", ".join(filter(None, [drift, models_in_words(models)]))
