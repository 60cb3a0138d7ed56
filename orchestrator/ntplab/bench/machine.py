"""What the benchmarks were measured on: part of their answer."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..doctor.probes import clocksource


def describe_machine() -> dict[str, Any]:
    """Facts about this machine; `load_1m` tells whether something else was busy."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "kernel": platform.release(),
        "architecture": platform.machine(),
        "processor": processor(),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "clocksource": clocksource(),
        "load_1m": round(os.getloadavg()[0], 2),
    }


def processor(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's name, empty where the kernel does not tell."""
    if not cpuinfo.exists():
        return ""
    for line in cpuinfo.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return ""
