"""From a host's own CLOCK_MONOTONIC_RAW to lab time, with what is not known of it.

A host told its raw clock (`GET /clock`) between our asking and its answer's coming, so lab time
minus its raw clock lies between two known numbers. Of several such readings each holds at another
moment too, widened by what two raw clocks can drift apart meanwhile; where all hold, all do.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass

from ..errors import EvidenceError

DRIFT_PPM = 200
"""Two quartz oscillators: each within 100 ppm of its nominal rate."""
NEAR_NS = 30_000_000_000
"""Readings further away tell nothing that nearer ones do not."""


@dataclass(frozen=True)
class _Reading:
    raw_ns: int
    low_ns: int
    high_ns: int


class HostTimes:
    """Collects readings; afterwards gives lab times. Safe to use from several threads."""

    def __init__(self) -> None:
        self._readings: dict[str, list[_Reading]] = defaultdict(list)
        self._lock = threading.Lock()
        self.worst_ns: dict[str, int] = defaultdict(int)
        """the largest error of any time given, by host"""

    def told(self, host: str, asked_lab_ns: int, answered_lab_ns: int, raw_ns: int) -> None:
        """Its raw clock showed `raw_ns` at some moment between the two."""
        found = _Reading(raw_ns, asked_lab_ns - raw_ns, answered_lab_ns - raw_ns)
        with self._lock:
            self._readings[host].append(found)

    def knows(self, host: str) -> bool:
        """Whether that host has told its clock at all."""
        return host in self._readings

    def lab_ns(self, server: str, server_raw_ns: int) -> int:
        """Lab time when that host's raw clock showed this. Raises EvidenceError if unknown."""
        low_ns, high_ns = self.limits_ns(server, server_raw_ns)
        error_ns = (high_ns - low_ns + 1) // 2
        self.worst_ns[server] = max(self.worst_ns[server], error_ns)
        return server_raw_ns + (low_ns + high_ns) // 2

    def limits_ns(self, server: str, raw_ns: int) -> tuple[int, int]:
        """Between what lab time minus its raw clock lay then."""
        with self._lock:
            every = self._readings.get(server, [])
            near = [one for one in every if abs(one.raw_ns - raw_ns) <= NEAR_NS]
        if not near:
            raise EvidenceError(f"{server}: its clock was not read within 30 s of its records")
        widened = [(one, abs(one.raw_ns - raw_ns) * DRIFT_PPM // 1_000_000) for one in near]
        low_ns = max(one.low_ns - more_ns for one, more_ns in widened)
        high_ns = min(one.high_ns + more_ns for one, more_ns in widened)
        if low_ns > high_ns:
            what = "its raw clock and this machine's drift apart by more than 200 ppm"
            raise EvidenceError(f"{server}: {what}, or it was rebooted meanwhile")
        return low_ns, high_ns
