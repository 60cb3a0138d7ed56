"""Whom Ansible's inventory names in its group `servers`, and how this machine reaches them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import UsageError

PORT, PROBE_PORT, NTP_PORT = 8000, 11123, 123
HINT = "playbooks/vps/inventory.fleet.example.yml shows one"


@dataclass(frozen=True)
class Host:
    """One booking server. `may_change`: whether its inventory lets its clock be set wrong."""

    name: str
    address: str
    port: int
    probe_port: int
    may_change: bool

    @property
    def url(self) -> str:
        shown = f"[{self.address}]" if ":" in self.address else self.address
        return f"http://{shown}:{self.port}"


@dataclass(frozen=True)
class Fleet:
    path: Path
    hosts: tuple[Host, ...]
    reference: str
    """the time server that lab time is anchored to"""
    reference_port: int

    @property
    def names(self) -> list[str]:
        return [host.name for host in self.hosts]


def ansible(program: str) -> str:
    """Where a program of Ansible is: beside our Python, or on the path. Raises UsageError."""
    beside = Path(sys.executable).with_name(program)
    found = str(beside) if beside.exists() else shutil.which(program)
    if not found:
        raise UsageError(f"{program} is not installed", hint="apt install ansible-core")
    return found


def read_inventory(path: Path) -> Fleet:
    """The fleet of an inventory. Raises UsageError that says what is wrong with it."""
    if not path.exists():
        raise UsageError(f"{path}: no such inventory", hint=HINT)
    argv = [ansible("ansible-inventory"), "--inventory", str(path), "--list"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        tail = done.stderr.strip().splitlines()[-5:]
        raise UsageError(f"{path}: Ansible cannot read it", hint=HINT, log_tail=tail)
    return fleet_of(path, json.loads(done.stdout))


def fleet_of(path: Path, listed: dict[str, Any]) -> Fleet:
    """The same from what `ansible-inventory --list` prints."""
    names = listed.get("servers", {}).get("hosts", [])
    if not names:
        raise UsageError(f"{path}: no hosts in group `servers`", hint=HINT)
    every = listed.get("_meta", {}).get("hostvars", {})
    hosts = tuple(_host(name, every.get(name, {})) for name in names)
    references = {str(every.get(name, {}).get("fleet_reference", "")) for name in names} - {""}
    if len(references) != 1:
        what = "names no `fleet_reference`" if not references else "names several"
        raise UsageError(
            f"{path}: {what}", hint="fleet_reference: the time server that clocks are held against"
        )
    address, _, port = references.pop().partition("#")
    return Fleet(path, hosts, address, int(port or NTP_PORT))


def _host(name: str, variables: dict[str, Any]) -> Host:
    address = variables.get("fleet_address") or variables.get("ansible_host") or name
    return Host(
        name,
        str(address),
        int(variables.get("fleet_port", PORT)),
        int(variables.get("fleet_probe_port", PROBE_PORT)),
        variables.get("allow_clock_changes") is True,
    )
