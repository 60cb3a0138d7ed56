"""What a node's NTP daemon believes about its clock; chronyd, asked with chronyc over the network.

The other daemons are asked by `mode6` and `ntpctl`.

Fields of `chronyc -c tracking` (chrony 4.6, client.c, process_cmd_tracking), in order:

    0 reference id   1 its name    2 stratum       3 reference time  4 system time
    5 last offset    6 RMS offset  7 frequency     8 residual freq.  9 skew
    10 root delay    11 root dispersion            12 update interval   13 leap status

Signs: "system time" is the correction that chronyd would *add* to the clock (reference.c:
cooked = raw + correction; client.c prints a positive one as "slow of NTP time"), so it is
turned around here: `offset_ns` > 0 means that the clock is believed fast, as divergence has
it. "Last offset" is > 0 when the clock was ahead, frequency > 0 when it would run fast if
left alone (client.c prints that as "fast"): both stay as they are.
"""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .output import Emit
from .schedule import NS_PER_S, Schedule

CHRONYC_TIMEOUT_S = 2.0
"""For a name that cannot be resolved; a silent daemon chronyc gives up within a second."""


@dataclass(frozen=True)
class Tracking:
    """A daemon's belief; `ref_name` is empty when it follows nobody. None: it does not tell."""

    ref_id: str
    ref_name: str
    stratum: int | None
    offset_ns: int | None
    last_offset_ns: int | None
    frequency_ppm: float | None
    skew_ppm: float | None
    root_delay_ns: int | None
    root_dispersion_ns: int | None
    leap: str


Ask = Callable[[str], Tracking | None]
"""Asks the daemon at a host; None when it does not answer, or not sensibly."""


def parse_tracking(line: str) -> Tracking:
    """One line of `chronyc -c tracking`. Raises `ValueError` when it is none."""
    fields = line.strip().split(",")
    if len(fields) != 14:
        raise ValueError(f"expected 14 fields of chronyc tracking, got {line!r}")
    return Tracking(
        ref_id=fields[0],
        ref_name=fields[1],
        stratum=int(fields[2]),
        offset_ns=-_nanoseconds(fields[4]),
        last_offset_ns=_nanoseconds(fields[5]),
        frequency_ppm=float(fields[7]),
        skew_ppm=float(fields[9]),
        root_delay_ns=_nanoseconds(fields[10]),
        root_dispersion_ns=_nanoseconds(fields[11]),
        leap=fields[13],
    )


def ask(host: str) -> Tracking | None:
    """What chronyd at `host` believes; None when it does not answer, or not sensibly."""
    try:
        answer = subprocess.run(
            chronyc(host), capture_output=True, text=True, timeout=CHRONYC_TIMEOUT_S, check=False
        )
        return parse_tracking(answer.stdout) if answer.returncode == 0 else None
    except (subprocess.TimeoutExpired, ValueError):
        return None


def chronyc(host: str) -> Sequence[str]:
    """The command that asks `host`. -N: names as configured, not looked up backwards."""
    return ("chronyc", "-c", "-N", "-h", host, "-m", "timeout 300", "retries 1", "tracking")


def belief_document(node: str, lab_ns: int, tracking: Tracking | None) -> Mapping[str, Any]:
    """What `node`'s daemon believed at `lab_ns`, all null if it could not be asked."""
    if tracking is None:
        believed: Mapping[str, Any] = dict.fromkeys(Tracking.__dataclass_fields__)
    else:
        believed = asdict(tracking)
    state = "unreachable" if tracking is None else "ok"
    return {"t": "belief", "lab_ns": lab_ns, "node": node, "state": state, **believed}


@dataclass(frozen=True)
class Asker:
    """Asks one node's daemon at a steady rate, in a thread of its own: it may take long."""

    node: str
    host: str
    anchor_ns: int
    raw_ns: Callable[[], int]
    emit: Emit
    ask: Ask = ask

    def start(self, rate_hz: float, delay_ns: int, stop: threading.Event) -> None:
        """Begin asking in `delay_ns`, so that the nodes' turns can be spread."""
        schedule = Schedule.at_rate(self.raw_ns() + delay_ns, rate_hz)
        threading.Thread(
            target=self._run, args=(schedule, stop), name=f"belief-{self.node}", daemon=True
        ).start()

    def _run(self, schedule: Schedule, stop: threading.Event) -> None:
        turn = 0
        while not stop.wait(max(0, schedule.due_ns(turn) - self.raw_ns()) / NS_PER_S):
            tracking = self.ask(self.host)
            raw = self.raw_ns()
            self.emit(belief_document(self.node, raw + self.anchor_ns, tracking))
            turn = schedule.after(turn, raw)


def _nanoseconds(seconds: str) -> int:
    return round(float(seconds) * NS_PER_S)
