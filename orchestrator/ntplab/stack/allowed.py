"""What the page may have each node do: the orchestrator's own commands, and no others. Pure.

A line of a list is `argv`, one pattern for each argument, and `stdin`, the pattern of what comes in
(None: nothing). Commands are taken from where the orchestrator forms them, so that they cannot
come apart; what may vary in them is a name, a number, or a small JSON document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..buyers import END, HAND_IN
from ..collect.databases import COMMAND, EMPTY, reading
from ..daemons import CHRONY
from ..faults.clocks import CLOCK_ACTIONS, PROGRAM
from ..faults.ntp import ORDER, RUNNING, service_path
from ..lab import TIMENS_FILE
from ..provenance import VERSION_OF
from ..sweep.stage import RECONFIGURE
from ..topology import LOADS_DIR

NAME = r"[a-z0-9][a-z0-9-]{0,63}"
NUMBER = r"[+-]?\d{1,19}(\.\d{1,9})?(e[+-]?\d{1,2})?"
SMALL_JSON = r"\{[^\x00-\x1f]{0,2000}\}"
ANYTHING = ".*"
"""A load: the buyers check it, and cannot reach anything but the servers' network."""

Line = dict[str, Any]


def _line(*argv: str, stdin: str | None = None) -> Line:
    return {"argv": list(argv), "stdin": stdin}


def _exactly(argv: Sequence[str]) -> list[str]:
    return [re.escape(part) for part in argv]


def of_every_machine() -> list[Line]:
    """Asked of all that have a clock of their own."""
    return [
        _line(*_exactly(["cat", TIMENS_FILE])),
        _line(*_exactly([*VERSION_OF, CHRONY.package])),
    ]


def of_server() -> list[Line]:
    """NTP on, off, and which; the policy."""
    service = re.escape(service_path(CHRONY))
    orders = _exactly(["sh", "-c", ORDER, "sh"])
    return [
        *of_every_machine(),
        _line(*_exactly(["sh", "-c", RUNNING, "sh"]), service),
        _line(*orders, "-wu", "-u", service),
        _line(*orders, "-wD", "-d", service),
        _line(*_exactly(["chronyc", "-c", "tracking"])),
        _line(*_exactly(["chronyc", "-c", "activity"])),
        _line(*_exactly(RECONFIGURE), SMALL_JSON),
    ]


def of_database() -> list[Line]:
    """The records of a phase, or of one seat of it; all of them forgotten."""
    text = r"'[A-Za-z0-9][A-Za-z0-9-]{0,63}'"
    which = rf"phase = {text}( AND seat = {text})?"
    asked = re.escape(reading("WHICH")).replace("WHICH", which)
    return [
        *of_every_machine(),
        _line(*_exactly(COMMAND), stdin=asked),
        _line(*_exactly(COMMAND), stdin=re.escape(EMPTY)),
    ]


def of_observer() -> list[Line]:
    """Clocks bent and shown."""
    program = re.escape(PROGRAM)
    bends = [
        _line(program, action, NAME, re.escape(option) + "=" + NUMBER)
        for action, option in CLOCK_ACTIONS.items()
        if option
    ]
    return [_line(program, "now"), _line(program, "show"), *bends]


def of_buyers() -> list[Line]:
    """A load handed in, and ended."""
    load = re.escape(LOADS_DIR) + r"/\d{6}"
    return [
        _line(*_exactly(["sh", "-c", HAND_IN, "sh"]), load + r"\.json", stdin=ANYTHING),
        _line("touch", load + re.escape(END)),
    ]
