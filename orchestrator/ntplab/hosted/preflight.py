"""Can this host take the deployment? Run there by the playbook, first of all; changes nothing.

A file that stands alone: Ansible sends it to a host that has nothing of ours yet. Every problem is
printed with what to do about it; the exit code is 1 if there is one.
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

SUPPORTED: Mapping[str, tuple[str, ...]] = {"debian": ("12", "13"), "ubuntu": ("24.04",)}
"""`ID` and `VERSION_ID` of /etc/os-release."""
MIB = 1 << 20
OURS = Path("/opt/ntplab/current")


@dataclass(frozen=True)
class Problem:
    """Why the host cannot take it, and what to do."""

    what: str
    hint: str

    def __str__(self) -> str:
        return f"{self.what}\n  hint: {self.hint}"


def distribution(os_release: str) -> Problem | None:
    """`os_release`: the text of /etc/os-release."""
    said = {
        key: value.strip("\"'")
        for key, _, value in (line.partition("=") for line in os_release.splitlines())
    }
    name, version = said.get("ID", "unknown"), said.get("VERSION_ID", "")
    if version in SUPPORTED.get(name, ()):
        return None
    known = ", ".join(
        f"{name.capitalize()} {version}" for name, all_ in SUPPORTED.items() for version in all_
    )
    return Problem(
        f"the distribution is {said.get('PRETTY_NAME') or name}", f"take a host with {known}"
    )


def manager(running: str) -> Problem | None:
    """`running`: the name of process 1."""
    if running == "systemd":
        return None
    return Problem(
        f"process 1 is {running or 'unknown'}, not systemd",
        "take a host that boots systemd; a container without it is none",
    )


def memory(meminfo: str, min_mib: int) -> Problem | None:
    """`meminfo`: the text of /proc/meminfo."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", meminfo, re.MULTILINE)
    has_mib = int(found[1]) // 1024 if found else 0
    if has_mib >= min_mib:
        return None
    return Problem(f"{has_mib} MiB of memory, {min_mib} are needed", "take a larger host")


def disk(free_bytes: int, min_mib: int, deployed: bool) -> Problem | None:
    """Room under /var/lib; an update needs less than the first deployment."""
    needed_mib = min_mib // 2 if deployed else min_mib
    if free_bytes >= needed_mib * MIB:
        return None
    return Problem(
        f"{free_bytes // MIB} MiB are free in /var/lib, {needed_mib} are needed",
        "make room (`docker system df`, `apt-get clean`), or take a larger disk",
    )


def ports(listening: str, wanted: Sequence[int], ours: Sequence[int]) -> list[Problem]:
    """`listening`: what `ss -Hltnp` prints; `ours`: ports that our own stack has published."""
    holders: dict[int, str] = {}
    for line in listening.splitlines():
        words = line.split()
        if len(words) < 4 or not words[3].rpartition(":")[2].isdigit():
            continue
        program = re.search(r'users:\(\("([^"]+)"', line)
        holders[int(words[3].rpartition(":")[2])] = program[1] if program else "some program"
    return [
        Problem(
            f"port {port} is taken by {holders[port]}",
            f"stop {holders[port]}, or set ntplab_http_port and ntplab_https_port",
        )
        for port in wanted
        if port in holders and port not in ours
    ]


def published(printed: str) -> list[int]:
    """The host's ports in what `docker ps --format {{.Ports}}` prints."""
    return sorted({int(port) for port in re.findall(r":(\d+)->", printed)})


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout
    except OSError:
        return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def examine(memory_min_mib: int, disk_min_mib: int, wanted: Sequence[int]) -> list[Problem]:
    """Every problem of this host."""
    mine = _output(
        "docker", "ps", "--filter", "label=com.docker.compose.project=ntplab", "--format={{.Ports}}"
    )
    found = [
        distribution(_read("/etc/os-release")),
        manager(_read("/proc/1/comm").strip()),
        memory(_read("/proc/meminfo"), memory_min_mib),
        disk(shutil.disk_usage("/var/lib").free, disk_min_mib, OURS.exists()),
        *ports(_output("ss", "-Hltnp"), wanted, published(mine)),
    ]
    return [problem for problem in found if problem]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print every problem; 1 if there is one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--memory-min-mib", type=int, default=0)
    parser.add_argument("--disk-min-mib", type=int, default=0)
    parser.add_argument("--port", type=int, action="append", default=[])
    asked = parser.parse_args(arguments)
    problems = examine(asked.memory_min_mib, asked.disk_min_mib, asked.port)
    for problem in problems:
        sys.stdout.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
