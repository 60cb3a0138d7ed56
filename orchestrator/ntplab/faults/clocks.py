"""Bend clocks and their oscillators, through the observer's hands on the clock pages.

Read back twice: the observer samples the page after the change, and `date` is asked inside
the container.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import FaultError
from ..oscillator import StrobePlan, TemperaturePlan, WanderPlan
from .handle import ENTER, LabHandle, each

OBSERVER = "observer"
PROGRAM = "ntplab-observer"
DATE_RESOLUTION_NS = 1_000_000
"""Allowance for the few instructions between a reading and its bracket."""

CLOCK_ACTIONS: Mapping[str, str] = {
    "set": "--offset-ns",
    "step": "--by-ns",
    "drift": "--ppm",
    "freeze": "",
    "thaw": "",
}


def bend(lab: LabHandle, node: str, action: str, value: int | float | None = None) -> Any:
    """Do one clock action of the observer (`CLOCK_ACTIONS`); its answer, read back.

    `value`: ns for `set` (offset to lab time) and `step`, ppm for `drift`, None otherwise.
    The answer holds `lab_ns`, when it was in force, and `divergence_ns` by node.
    """
    option = CLOCK_ACTIONS[action]
    # One word: a negative value of its own would be taken for an option.
    argument = [f"{option}={value}"] if option else []
    return _observe(lab, [action, node, *argument])


def let_wander(lab: LabHandle, node: str, plan: WanderPlan) -> Any:
    """The oscillator's frequency walks at random; the observer's answer, read back, as below."""
    seed = [] if plan.seed is None else [f"--seed={plan.seed}"]
    return _observe(lab, ["wander", node, f"--ppm={plan.per_second_ppm}", *seed])


def let_temperature(lab: LabHandle, node: str, plan: TemperaturePlan) -> Any:
    """The oscillator's frequency follows a sinusoid."""
    period, phase = f"--period-ns={plan.period_ns}", f"--phase-ns={plan.phase_ns}"
    return _observe(lab, ["temperature", node, f"--ppm={plan.amplitude_ppm}", period, phase])


def let_strobe(lab: LabHandle, node: str, plan: StrobePlan) -> Any:
    """The clock jumps to and fro."""
    for_ = [] if plan.for_ns is None else [f"--for-ns={plan.for_ns}"]
    numbers = [f"--by-ns={plan.by_ns}", f"--period-ns={plan.period_ns}", *for_]
    return _observe(lab, ["strobe", node, *numbers])


def make_steady(lab: LabHandle, node: str, models: Sequence[str] = ()) -> Any:
    """Wander, temperature and strobe end, or those named: constant drift is left."""
    return _observe(lab, ["steady", node, *(f"--model={model}" for model in models)])


def reset_clocks(lab: LabHandle, nodes: Sequence[str]) -> Any:
    """True clocks: no offset, an oscillator without error, no correction left by a daemon."""
    return _observe(lab, ["reset", *nodes])


def show_clocks(lab: LabHandle, nodes: Sequence[str] = ()) -> Any:
    """What the clock pages say: wall clock, divergence, oscillator error, timex fields."""
    return _observe(lab, ["show", *nodes])


def set_date(lab: LabHandle, node: str, text: str) -> str:
    """`date -s TEXT` inside the node, as the founding document does it; what it printed."""
    return lab.must(node, [ENTER, "date", "-u", "-s", text]).strip()


def check_dates(lab: LabHandle, expected_ns: Mapping[str, int], tolerance_ns: int) -> None:
    """Ask `date` inside every node; `FaultError` where it does not show the divergence.

    The answer was given between two readings of lab time, so the divergence is known to
    within that bracket; `tolerance_ns` is what the clock may have drifted since.
    """

    def ask(node: str) -> None:
        before_ns = lab.clock.now_ns()
        date_ns = int(lab.must(node, [ENTER, "date", "+%s%N"]))
        after_ns = lab.clock.now_ns()
        slack_ns = tolerance_ns + DATE_RESOLUTION_NS
        low_ns = date_ns - after_ns - slack_ns
        high_ns = date_ns - before_ns + slack_ns
        if not low_ns <= expected_ns[node] <= high_ns:
            raise FaultError(
                f"{node}: `date` is between {low_ns / 1e9:+.6f} s and {high_ns / 1e9:+.6f} s "
                f"off, the fault asked for {expected_ns[node] / 1e9:+.6f} s",
                hint="is something else setting this clock? `./ntplab ntp status` tells",
            )

    each(expected_ns, ask)


def _observe(lab: LabHandle, argv: Sequence[str]) -> Any:
    return json.loads(lab.must(OBSERVER, [PROGRAM, *argv]))
