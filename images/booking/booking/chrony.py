"""What this server's own chronyd believes: `chronyc -c tracking`, parsed and asked once a second.

The parsing is pure. The watch runs chronyc in the background, so that no request waits for it.
"""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from booking.clocks import NS, Clock, Reading

COMMAND = ("chronyc", "-n", "-c", "tracking")
PERIOD_S = 1.0
ASK_TIMEOUT_S = 0.8
FIELDS = 14

State = Literal["ok", "not synchronised", "chronyd not running", "unknown"]

_log = logging.getLogger("booking.chrony")


@dataclass(frozen=True, slots=True)
class Tracking:
    """One report. Lengths in ns; `offset_ns` positive where the clock is held for fast."""

    reference: str
    stratum: int
    offset_ns: int
    frequency_ppm: float
    root_delay_ns: int
    root_dispersion_ns: int
    leap: str

    @property
    def error_bound_ns(self) -> int:
        """|offset| + root dispersion + root delay / 2 (chrony.conf(5), maxclockerror)."""
        return abs(self.offset_ns) + self.root_dispersion_ns + self.root_delay_ns // 2

    @property
    def synchronised(self) -> bool:
        return self.leap != "Not synchronised"


@dataclass(frozen=True, slots=True)
class Belief:
    """What was last learned, and when. `tracking` only where chronyd answered."""

    state: State
    reason: str | None = None
    asked: Reading | None = None
    tracking: Tracking | None = None


def parse_tracking(line: str) -> Tracking:
    """One line of `chronyc -c tracking`. Raises ValueError when it is not one.

    chronyc's "system time" is positive for a slow clock, the offset here for a fast one.
    """
    fields = line.strip().split(",")
    if len(fields) != FIELDS:
        raise ValueError(f"{len(fields)} fields instead of {FIELDS}: {line.strip()!r}")

    def ns(field: str) -> int:
        return round(float(field) * NS)

    return Tracking(
        reference=fields[1] or fields[0],
        stratum=int(fields[2]),
        offset_ns=-ns(fields[4]),
        frequency_ppm=float(fields[7]),
        root_delay_ns=ns(fields[10]),
        root_dispersion_ns=ns(fields[11]),
        leap=fields[13],
    )


def believe(exit_code: int, output: str, asked: Reading) -> Belief:
    """The belief that an answer of chronyc stands for."""
    if exit_code != 0:
        return Belief("chronyd not running", output.strip() or f"chronyc: {exit_code}", asked)
    try:
        tracking = parse_tracking(output)
    except ValueError as error:
        return Belief("unknown", f"chronyc said something else: {error}", asked)
    if not tracking.synchronised:
        return Belief("not synchronised", "chronyd is not synchronised", asked, tracking)
    return Belief("ok", None, asked, tracking)


async def ask(clock: Clock) -> Belief:
    """Run chronyc once. Never raises for what chronyc does."""
    asked = clock()
    try:
        # In a thread and by the standard library, which starts programs by vfork: uvloop's fork
        # of this process stops the loop for milliseconds.
        done = await asyncio.to_thread(
            subprocess.run,
            COMMAND,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=ASK_TIMEOUT_S,
            check=False,
        )
    except OSError as error:
        return Belief("unknown", f"chronyc cannot be run: {error.strerror}", asked)
    except subprocess.TimeoutExpired:
        return Belief("chronyd not running", f"no answer within {ASK_TIMEOUT_S} s", asked)
    return believe(done.returncode, done.stdout.decode(errors="replace"), asked)


class Watch:
    """Keeps `belief` at most about a second old; `told` hears each one."""

    def __init__(self, clock: Clock, told: Callable[[Belief], Awaitable[None]]) -> None:
        self.belief = Belief("unknown", "chronyd has not been asked yet")
        self._clock = clock
        self._told = told

    async def run(self) -> None:
        """Ask once a second until cancelled."""
        now = asyncio.get_running_loop().time
        due = now()
        while True:
            belief = await ask(self._clock)
            if belief.state != self.belief.state:
                extra = {"state": belief.state, "reason": belief.reason}
                _log.info("chronyd: state changed", extra=extra)
            self.belief = belief
            try:
                await self._told(belief)
            except Exception as error:  # the next second tries again
                _log.warning("belief not recorded", extra={"error": repr(error)})
            due = max(due + PERIOD_S, now())
            await asyncio.sleep(due - now())
