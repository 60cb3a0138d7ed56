"""The faults a scenario can plan, each done and read back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ..errors import FaultError
from ..plan import FaultPlan
from ..units import NS_PER_S, format_duration, format_ppm
from .clocks import (
    bend,
    let_strobe,
    let_temperature,
    let_wander,
    make_steady,
    set_date,
    show_clocks,
)
from .handle import ENTER, LabHandle, until
from .ntp import switch_ntp

DATE_WITHIN_NS = 2 * NS_PER_S
"""`date -s` names a second; asking took less than another one."""
DEAD_WITHIN_S = 10.0


@dataclass(frozen=True)
class Struck:
    """What a fault did, in words, and the node's divergence after it where it has a clock."""

    value: str
    divergence_ns: int | None = None
    oscillator: Mapping[str, Any] | None = None
    """what the node's oscillator does now, as the observer says"""


def strike(lab: LabHandle, fault: FaultPlan) -> Struck:
    """Do `fault`. Raises `FaultError` when it cannot be seen in force."""
    return _STRIKES[fault.kind](lab, fault)


def _bent(lab: LabHandle, node: str, action: str, value: float | None, words: str) -> Struck:
    return _seen(bend(lab, node, action, value), node, words)


def _seen(answer: Any, node: str, words: str) -> Struck:
    models = answer["nodes"][node]["models"]
    return Struck(words, int(answer["divergence_ns"][node]), models)


def _step(lab: LabHandle, fault: FaultPlan) -> Struck:
    by_ns = fault.by_ns or 0
    return _bent(lab, fault.node, "step", by_ns, format_duration(by_ns))


def _offset(lab: LabHandle, fault: FaultPlan) -> Struck:
    offset_ns = fault.offset_ns or 0
    return _bent(lab, fault.node, "set", offset_ns, format_duration(offset_ns))


def _drift(lab: LabHandle, fault: FaultPlan) -> Struck:
    ppm = fault.drift_ppm or 0.0
    return _bent(lab, fault.node, "drift", ppm, format_ppm(ppm))


def _model(lab: LabHandle, fault: FaultPlan) -> Struck:
    """A model of what the oscillator does over time; in force once the main process says so."""
    node, words = fault.node, ""
    if fault.wander:
        answer, words = let_wander(lab, node, fault.wander), fault.wander.words()
    elif fault.temperature:
        answer, words = let_temperature(lab, node, fault.temperature), fault.temperature.words()
    elif fault.strobe:
        answer, words = let_strobe(lab, node, fault.strobe), fault.strobe.words()
    else:
        answer = make_steady(lab, node)
    return _seen(answer, node, words.removeprefix(f"{fault.kind} "))


def _freeze(lab: LabHandle, fault: FaultPlan) -> Struck:
    return _bent(lab, fault.node, fault.kind, None, "")


def _date(lab: LabHandle, fault: FaultPlan) -> Struck:
    """The founding document's way; the clock page must then show that date."""
    text = fault.date or ""
    asked = datetime.strptime(text, "%Y-%m-%d %H:%M:%S").replace(tzinfo=UTC)
    asked_ns = int(asked.timestamp()) * NS_PER_S
    before_ns = lab.clock.now_ns()
    set_date(lab, fault.node, text)
    clock = show_clocks(lab, [fault.node])["nodes"][fault.node]
    passed_ns = lab.clock.now_ns() - before_ns
    if not asked_ns <= clock["wall_ns"] <= asked_ns + passed_ns + DATE_WITHIN_NS:
        raise FaultError(
            f"{fault.node}: `date -s '{text}'` was done, but its clock shows "
            f"{datetime.fromtimestamp(clock['wall_ns'] / NS_PER_S, UTC):%Y-%m-%d %H:%M:%S}"
        )
    return Struck(text, int(clock["divergence_ns"]))


def _exec(lab: LabHandle, fault: FaultPlan) -> Struck:
    argv = list(fault.argv or ())
    lab.must(fault.node, [ENTER, *argv])
    return Struck(" ".join(argv))


def _kill(lab: LabHandle, fault: FaultPlan) -> Struck:
    def dead() -> bool:
        info = lab.driver.container(lab.lab, fault.node)
        return info is None or info.status != "running"

    if not dead():
        lab.driver.kill(lab.lab, fault.node)
    until(dead, DEAD_WITHIN_S, f"{fault.node}: dead")
    return Struck("SIGKILL")


def _ntp(lab: LabHandle, fault: FaultPlan) -> Struck:
    method = fault.method or "daemon"
    switch_ntp(lab, fault.node, fault.kind.removeprefix("ntp-"), method)
    return Struck(method)


_STRIKES: dict[str, Callable[[LabHandle, FaultPlan], Struck]] = {
    "step": _step,
    "offset": _offset,
    "drift": _drift,
    "wander": _model,
    "temperature": _model,
    "strobe": _model,
    "steady": _model,
    "freeze": _freeze,
    "thaw": _freeze,
    "date": _date,
    "exec": _exec,
    "kill": _kill,
    "ntp-off": _ntp,
    "ntp-on": _ntp,
}
