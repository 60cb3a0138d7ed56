"""Processor time and memory of a process and all that come from it, from /proc."""

from __future__ import annotations

import os
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")
TICKS_HZ = os.sysconf("SC_CLK_TCK")


class Tree:
    """`root` and its descendants, as they are when asked."""

    def __init__(self, root: int) -> None:
        self.root = root

    def pids(self) -> list[int]:
        """All of them, the root first; a process that ends meanwhile may be missing."""
        children: dict[int, list[int]] = defaultdict(list)
        for entry in PROC.iterdir():
            if entry.name.isdigit() and (fields := _stat(int(entry.name))):
                children[int(fields[1])].append(int(entry.name))
        found, waiting = [], [self.root]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            waiting += children[pid]
        return found

    def cpu_s(self) -> float:
        """Seconds of processor time, user and system, of living processes and of those they
        have waited for."""
        stats = filter(None, map(_stat, self.pids()))
        return sum(sum(map(int, fields[11:15])) for fields in stats) / TICKS_HZ

    def memory_mb(self) -> float:
        """Proportional set size: pages shared by several of them count once."""
        return sum(_pss_kb(pid) for pid in self.pids()) / 1024


def _stat(pid: int) -> list[str]:
    """The fields of stat(5) from the third on; none of a process that is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _pss_kb(pid: int) -> int:
    try:
        lines = (PROC / str(pid) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
