"""One phase on a fleet: NTP and clocks by playbook and seen by the probes, load, records.

As `ntplab/phases.py` does it in a lab, with Ansible for hands and probes for eyes.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from ..collect.databases import append_records, reading_command
from ..collect.samples import Append
from ..errors import FaultError
from ..events import (
    Emit,
    FaultInForce,
    NtpSettled,
    NtpSwitched,
    PhaseEnded,
    PhaseMeasuring,
    PhaseStarted,
)
from ..evidence import RunDirectory
from ..labtime import LabClock
from ..plan import PhasePlan, load_json
from ..settling import Worst, wait_settled
from ..units import NS_PER_S, format_duration
from .load import BuyersProcess
from .playbooks import Playbooks
from .request import FleetRequest, settings_of
from .watch import Watch

LEAD_NS = 3 * NS_PER_S
"""From starting the buyers to their first arrival."""
GRACE_S = 20.0
SEEN_WITHIN_S = 10.0
SET_ERROR_NS_MAX = 50_000_000
"""A clock is where it was asked to be to within this and what the probe leaves open."""
LOOK_S = 0.1
UNSEEN_NS = 3600 * NS_PER_S
"""What a clock that no probe sees is taken to be off."""
SPARE_S = 600
"""What the watchdogs allow a phase beyond its load, for playbooks and settling."""
RESTORE_MIN_MAX = 240


class FleetPhases:
    """`changed`: the hosts whose NTP or clock is not as it was found, since a phase touched it."""

    def __init__(
        self, request: FleetRequest, directory: RunDirectory, append: Append,
        playbooks: Playbooks, clock: LabClock, watch: Watch, emit: Emit,
    ) -> None:  # fmt: skip
        self.plan, self.fleet = request.plan, request.fleet
        self.directory, self.append, self.emit = directory, append, emit
        self.playbooks, self.clock, self.watch = playbooks, clock, watch
        self.changed: set[str] = set()
        self._names = [server.name for server in request.plan.servers]

    def run(self, phase: PhasePlan, left: Sequence[PhasePlan]) -> None:
        """The whole phase, in order; `left`: it and those after it."""
        self.emit(PhaseStarted(self.clock.now_ns(), phase.name, phase.ntp, phase.duration_ns))
        switched = [name for name in phase.switched if name in self._names]
        settings = list(settings_of(phase, self._names))
        self._set({s.node: s.offset_ns for s in settings if not s.offset_ns}, phase, left)
        if phase.begins_off and switched:
            self._switch(phase, switched, "off")
        self._set({s.node: s.offset_ns for s in settings if s.offset_ns}, phase, left)
        if phase.ntp == "on" and switched:
            asked_ns = self._switch(phase, switched, "on")
            self._settle(phase, asked_ns)
        arrivals = self._measure(phase)
        self.emit(PhaseEnded(self.clock.now_ns(), phase.name, arrivals))
        self._collect(phase)

    def _switch(self, phase: PhasePlan, hosts: Sequence[str], state: str) -> int:
        """By playbook, which reads it back."""
        asked_ns = self.clock.now_ns()
        self.changed.update(hosts)
        self.playbooks.play("ntp", {"ntp": state}, hosts)
        seen_ns = self.clock.now_ns()
        for name in hosts:
            self.emit(NtpSwitched(seen_ns, name, state, "daemon", asked_ns, seen_ns, phase.name))
        return asked_ns

    def _set(
        self, offsets_ns: Mapping[str, int], phase: PhasePlan, left: Sequence[PhasePlan]
    ) -> None:
        """Put clocks off, guarded, or right; by playbook, and seen by the probes."""
        hosts = sorted(offsets_ns)
        wrong = any(offsets_ns.values())
        if not wrong:
            # A clock that this run has not moved is as right as its host keeps it.
            hosts = [name for name in hosts if name in self.changed]
        if hosts:
            self.changed.update(hosts)
            told = skew(offsets_ns, left) if wrong else {"restore": True}
            self.playbooks.play("skew", told, hosts)
        asked_ns = self.clock.now_ns()
        for name in sorted(offsets_ns):
            seen_ns = self._see(name, offsets_ns[name])
            words = f"offset {format_duration(offsets_ns[name])}"
            now_ns = self.clock.now_ns()
            self.emit(
                FaultInForce(now_ns, name, "clock", words, asked_ns, now_ns, seen_ns, phase.name)
            )

    def _see(self, name: str, asked_ns: int) -> int:
        """How far the clock is from lab time, once a probe sees it where it was asked to be."""
        deadline = time.monotonic() + SEEN_WITHIN_S
        began_ns = self.clock.now_ns()
        while time.monotonic() < deadline:
            seen = self.watch.latest().get(name)
            if seen is not None and seen.lab_ns > began_ns:
                apart_ns = abs(seen.offset_ns - asked_ns)
                if apart_ns <= SET_ERROR_NS_MAX + seen.error_ns:
                    return seen.offset_ns
            time.sleep(LOOK_S)
        seen = self.watch.latest().get(name)
        shown = f"is {format_duration(seen.offset_ns)} off" if seen else "does not answer probes"
        raise FaultError(
            f"{name}: its clock was to be {format_duration(asked_ns)} off, and {shown}"
        )

    def _settle(self, phase: PhasePlan, switched_ns: int) -> None:
        """Wait until every steered clock is within the limit, as far as probes can tell."""
        if phase.settle is None:
            return
        since_ns, worst = wait_settled(
            phase.name,
            phase.settle,
            lambda: self._worst([name for name in phase.steered if name in self._names]),
            lambda: time.sleep(LOOK_S),
            hint="settle.limit and settle.timeout of the phase; `chronyc sources` there",
        )
        seconds = max(0, since_ns - switched_ns) / NS_PER_S
        limit_ns = phase.settle.limit_ns
        now_ns, off_ns = self.clock.now_ns(), max(0, worst.off_ns)
        self.emit(NtpSettled(now_ns, phase.name, seconds, limit_ns, off_ns))

    def _worst(self, steered: Sequence[str]) -> Worst:
        """By what the clocks are off at least, within the error of their probes."""
        now_ns, seen = self.clock.now_ns(), self.watch.latest()
        if unseen := [name for name in steered if name not in seen]:
            return Worst(UNSEEN_NS, unseen[0], now_ns)
        offs = [
            Worst(abs(seen[name].offset_ns) - seen[name].error_ns, name, now_ns) for name in steered
        ]
        nobody = Worst(0, "", now_ns)
        return max(offs, key=lambda worst: worst.off_ns, default=nobody)

    def _measure(self, phase: PhasePlan) -> int:
        start_ns = self.clock.now_ns() + LEAD_NS
        buyers = None
        if phase.load:
            load = load_json(phase, self.plan, start_ns)
            load["servers"] = {host.name: host.url for host in self.fleet.hosts}
            log = self.directory.path / "logs" / "buyers" / f"{phase.name}.log"
            buyers = BuyersProcess(load, self.clock.anchor_ns, log, self.append)
        try:
            self._sleep_until(start_ns)
            self.emit(PhaseMeasuring(start_ns, phase.name))
            self._sleep_until(start_ns + phase.duration_ns)
            if buyers is None:
                return 0
            latest_ns = max(load.confirm_max_ns + (load.gap_max_ns or 0) for load in phase.load)
            latest_ns += 2 * self.plan.request_timeout_ns
            return buyers.wait(latest_ns / NS_PER_S + GRACE_S).arrivals
        finally:
            if buyers is not None:
                buyers.stop()

    def _sleep_until(self, lab_ns: int) -> None:
        while (left_ns := lab_ns - self.clock.now_ns()) > 0:
            time.sleep(min(0.2, left_ns / NS_PER_S))

    def _collect(self, phase: PhasePlan) -> None:
        if not phase.load:
            return
        argv, stdin = reading_command(phase.name)
        file = (self.directory.path / "logs" / f"{phase.name}.records.jsonl").absolute()
        said = {"records_argv": argv, "records_stdin": stdin, "records_file": str(file)}
        self.playbooks.play("fleet_records", said)
        append_records([file.read_bytes()], self.watch.times, self.append)
        file.unlink()


def skew(offsets_ns: Mapping[str, int], left: Sequence[PhasePlan]) -> dict[str, object]:
    """What skew.yml is told: where to, and when the watchdogs put all right if nobody does."""
    left_s = sum(phase.duration_ns / NS_PER_S + SPARE_S for phase in left)
    return {
        "offsets_s": {name: ns / NS_PER_S for name, ns in offsets_ns.items()},
        "restore_after_minutes": min(RESTORE_MIN_MAX, round(left_s / 60, 1)),
    }
