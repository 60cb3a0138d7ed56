"""Looks at this machine without changing it; `checks.py` judges what is found here."""

from __future__ import annotations

import platform
import shutil
import socket
from collections.abc import Iterable
from pathlib import Path

from ..paths import REPO_DIR

ROOT = Path("/")
_SYSCTLS = (
    "user.max_user_namespaces",
    "kernel.unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns",
)


def has_time_namespaces(root: Path = ROOT) -> bool:
    """Whether the kernel shows this process's time namespace."""
    return (root / "proc/self/ns/time").exists()


def sysctls(root: Path = ROOT) -> dict[str, str]:
    """The settings about user namespaces that this kernel has."""
    paths = {name: root / "proc/sys" / name.replace(".", "/") for name in _SYSCTLS}
    return {name: path.read_text().strip() for name, path in paths.items() if path.exists()}


def clocksource(root: Path = ROOT) -> str:
    """The kernel's clocksource, empty where it does not say."""
    path = root / "sys/devices/system/clocksource/clocksource0/current_clocksource"
    return path.read_text().strip() if path.exists() else ""


def has_netem(root: Path = ROOT, kernel: str = "") -> bool:
    """Whether sch_netem is loaded, built in, or there as a module."""
    modules = root / "lib/modules" / (kernel or platform.release())
    listings = [modules / "modules.builtin", modules / "modules.dep", root / "proc/modules"]
    return any("sch_netem" in path.read_text() for path in listings if path.exists())


def disk_free_bytes(folders: Iterable[Path] = (Path("/var/lib/docker"), REPO_DIR)) -> int:
    """The least room in the folders that fill up."""
    return min(shutil.disk_usage(folder).free for folder in folders if folder.exists())


def taken_ports(ports: Iterable[int], address: str = "127.0.0.1") -> list[int]:
    """Those of `ports` on which something listens."""
    return [port for port in ports if _is_taken(address, port)]


def _is_taken(address: str, port: int) -> bool:
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((address, port))
        except OSError:
            return True
    return False
