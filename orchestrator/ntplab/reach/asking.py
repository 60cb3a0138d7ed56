"""Asks a node which of its programs see the host's clock, by sending `inspector.py` there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ..driver.base import Driver
from . import inspector

_SOURCE = Path(inspector.__file__).read_text()
_LISTED_MAX = 8

_HOST = "it sees the host's clock"
WORDS = {
    inspector.STATIC: f"is linked statically, so that nothing can be preloaded: {_HOST}",
    inspector.GO: f"is a Go program, which asks the kernel for the time itself: {_HOST}",
    inspector.SETUID: f"is setuid or has capabilities, and ignores preloaded libraries: {_HOST}",
    inspector.FOREIGN: f"is of another architecture than the preloaded library: {_HOST}",
    inspector.MUSL: "is built for musl, the preloaded library for glibc: it will hardly start",
    inspector.OTHER_LIBC: "is built for another C library than glibc: it will hardly start",
}


def warning_about(driver: Driver, lab: str, node: str, command: str) -> str | None:
    """What a user should know before `command` runs on a node; None if all is well.

    None too where it cannot be found out (no such command, no Python in the container): running
    it will tell.
    """
    found = _ask(driver, lab, node, "command", command)
    if not found:
        return None
    return f"{found['path']} {WORDS[found['why']]}"


def unreached_programs(driver: Driver, lab: str, node: str) -> dict[str, str]:
    """Programs in the node's PATH that do not see its clock: path -> why."""
    return _ask(driver, lab, node, "programs") or {}


def listed(unreached: Mapping[str, str]) -> str:
    """For one line of a report: "busybox (static), gojq (go), and 3 more"."""
    names = [f"{PurePosixPath(path).name} ({why})" for path, why in sorted(unreached.items())]
    more = len(names) - _LISTED_MAX
    return ", ".join(names[:_LISTED_MAX] + ([f"and {more} more"] if more > 0 else []))


def _ask(driver: Driver, lab: str, node: str, *argv: str) -> Any:
    said = driver.exec(lab, node, ["python3", "-I", "-c", _SOURCE, *argv])
    return json.loads(said.stdout) if said.ok and said.stdout else None
