"""The story of a run on a fleet, every step in order: a lab's, on hosts whose clocks are real.

1. deploy the booking servers with the scenario's policy; empty their databases
2. anchor lab time to the reference; begin to probe every clock
3. for every phase: NTP off, clocks set (guarded), NTP on and settled, load, records collected
4. put every clock right and NTP on, whatever happened
5. seal the evidence, judge it, report it

There is no ground truth: the manifest says so (`truth`), and judging takes it into account.
"""

from __future__ import annotations

import json
import platform
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .. import __version__
from ..analysis import Results
from ..collect.databases import append_records, reading_command
from ..errors import FaultError, LabError, UsageError
from ..events import (
    Emit,
    Event,
    FaultInForce,
    LabStep,
    NtpSettled,
    NtpSwitched,
    PhaseEnded,
    PhaseMeasuring,
    PhaseStarted,
    ReportFailed,
    RunEnded,
    RunInterrupted,
    RunStarted,
)
from ..evidence import Manifest, ManifestNode, RunDirectory, SpoolWriter
from ..labtime import LabClock
from ..plan import PhasePlan, Plan, load_json
from ..provenance import git, of_plan
from ..run import Heed, empty_directory, in_words, judge
from ..units import NS_PER_S, format_duration
from .inventory import Fleet
from .load import BuyersProcess
from .playbooks import Playbooks
from .sntp import NoAnswer
from .watch import PROBE_HZ, REFERENCE, Watch, anchored_to

LEAD_NS = 3 * NS_PER_S
"""From starting the buyers to their first arrival."""
GRACE_S = 20.0
SEEN_WITHIN_S = 10.0
SET_ERROR_NS_MAX = 50_000_000
"""A clock is where it was asked to be to within this and what the probe leaves open."""
SETTLED_FOR_NS = NS_PER_S
SPARE_S = 600
"""What the watchdogs allow a phase beyond its load, for playbooks and settling."""
RESTORE_MIN_MAX = 240


@dataclass(frozen=True)
class FleetRequest:
    """What to run, and on what."""

    plan: Plan
    fleet: Fleet
    scenario_text: str
    scenario: Mapping[str, object]
    runs: Path
    out: Path | None = None
    deploy: bool = True
    overrides: Sequence[str] = ()


def unfit(plan: Plan, fleet: Fleet) -> list[str]:
    """Why this plan cannot be run on this fleet; empty when it can."""
    names = [server.name for server in plan.servers]
    found = []
    if plan.train is not None:
        return ["the train system has no fleet"]
    if sorted(names) != sorted(fleet.names):
        there = ", ".join(fleet.names)
        found.append(f"its servers are {', '.join(names)}; the inventory's are {there}")
    for phase in plan.phases:
        if phase.faults:
            found.append(f"phase {phase.name}: faults within a phase happen in a lab only")
        if phase.ntp != "keep" and phase.method != "daemon":
            found.append(f"phase {phase.name}: NTP is switched by the daemon only")
        if any(s.drift_ppm for s in _settings(phase, names)):
            found.append(f"phase {phase.name}: a real clock can be set, not made to drift")
    changed = {name for phase in plan.phases for name in _touched(phase, names)}
    denied = [h.name for h in fleet.hosts if h.name in changed and not h.may_change]
    if denied:
        found.append(f"allow_clock_changes is not true for {', '.join(denied)}")
    return found


def _settings(phase: PhasePlan, names: Sequence[str]) -> Iterator[Any]:
    return (setting for setting in phase.set_clocks if setting.node in names)


def _touched(phase: PhasePlan, names: Sequence[str]) -> Iterator[str]:
    """The hosts whose NTP or clock a phase changes."""
    yield from (name for name in phase.switched if name in names)
    yield from (setting.node for setting in _settings(phase, names) if setting.offset_ns)


def run_fleet(request: FleetRequest, listen: Emit) -> tuple[RunDirectory, Results]:
    """The whole run; the run directory, sealed, and its results. Raises what went wrong after
    every clock was put right and what evidence there is was judged."""
    trouble = unfit(request.plan, request.fleet)
    if trouble:
        hint = "docs/how-to.md, `Run it on hosts of your own`, says what a fleet can do"
        raise UsageError(f"not on this fleet: {'; '.join(trouble)}", hint=hint)
    directory = empty_directory(request.plan, request.runs, request.out)
    directory.write_text("scenario.yaml", request.scenario_text)
    directory.write_text("plan.json", json.dumps(request.plan.to_json(), indent=2) + "\n")
    playbooks = Playbooks(request.fleet, directory.path / "logs" / "ansible")
    clock, anchor_error_ns = _anchor(request.fleet)
    with ExitStack() as at_the_end:
        heed = Heed()
        at_the_end.callback(heed.again)
        spool = SpoolWriter(directory)
        no_report = ReportFailed(clock.now_ns(), str(directory.path), "")
        at_the_end.callback(
            lambda: judge(
                directory,
                lambda reason: listen(ReportFailed(no_report.lab_ns, no_report.directory, reason)),
            )
        )
        at_the_end.callback(spool.close)
        runner = _Runner(request, directory, spool, playbooks, clock, listen)
        directory.write_manifest(runner.manifest(anchor_error_ns))
        at_the_end.callback(lambda: runner.finish(anchor_error_ns))
        at_the_end.callback(heed.not_now)
        runner.emit(
            RunStarted(
                clock.now_ns(), request.plan.name, str(request.fleet.path), str(directory.path)
            )
        )
        try:
            runner.run()
        except BaseException as reason:
            runner.emit(RunInterrupted(clock.now_ns(), in_words(reason)))
            raise
        runner.emit(RunEnded(clock.now_ns()))
    return directory, Results.model_validate_json(directory.results.read_bytes())


def _anchor(fleet: Fleet) -> tuple[LabClock, int]:
    try:
        clock, best = anchored_to(fleet.reference, fleet.reference_port)
    except NoAnswer as error:
        hint = "fleet_reference in the inventory: a time server that answers this machine"
        raise LabError(f"the reference does not tell the time: {error}", hint=hint) from error
    return clock, best.error_ns


class _Runner:
    def __init__(
        self,
        request: FleetRequest,
        directory: RunDirectory,
        spool: SpoolWriter,
        playbooks: Playbooks,
        clock: LabClock,
        listen: Emit,
    ) -> None:
        self.plan, self.fleet, self.request = request.plan, request.fleet, request
        self.directory, self.spool, self.playbooks = directory, spool, playbooks
        self.clock, self._listen = clock, listen
        self.watch = Watch(request.fleet, clock, spool.append)
        self._names = [server.name for server in request.plan.servers]
        self._changed: set[str] = set()
        self._left = list(request.plan.phases)

    def emit(self, event: Event) -> None:
        self.directory.append_event(event.record())
        self._listen(event)

    def step(self, words: str) -> None:
        self.emit(LabStep(self.clock.now_ns(), words))

    def run(self) -> None:
        if self.request.deploy:
            self.step("deploying the booking servers")
            self.playbooks.play("fleet", self._deployment())
        self.step("emptying the databases")
        self.playbooks.play("fleet_reset", {})
        self.watch.start()
        self._wait_for_all()
        for phase in self.plan.phases:
            self.phase(phase)
            self._left.remove(phase)
            self.spool.sync()

    def _deployment(self) -> dict[str, object]:
        return {"fleet_policy": self.plan.policy, "fleet_policy_params": self.plan.policy_params}

    def phase(self, phase: PhasePlan) -> None:
        self.emit(PhaseStarted(self.clock.now_ns(), phase.name, phase.ntp, phase.duration_ns))
        switched = [name for name in phase.switched if name in self._names]
        settings = list(_settings(phase, self._names))
        self._set({s.node: s.offset_ns for s in settings if not s.offset_ns}, phase)
        if phase.begins_off and switched:
            self._switch(phase, switched, "off")
        self._set({s.node: s.offset_ns for s in settings if s.offset_ns}, phase)
        if phase.ntp == "on" and switched:
            asked_ns = self._switch(phase, switched, "on")
            self._settle(phase, asked_ns)
        arrivals = self._measure(phase)
        self.emit(PhaseEnded(self.clock.now_ns(), phase.name, arrivals))
        self._collect(phase)

    def _switch(self, phase: PhasePlan, hosts: Sequence[str], state: str) -> int:
        """By playbook, which reads it back."""
        asked_ns = self.clock.now_ns()
        self._changed.update(hosts)
        self.playbooks.play("ntp", {"ntp": state}, hosts)
        seen_ns = self.clock.now_ns()
        for name in hosts:
            self.emit(NtpSwitched(seen_ns, name, state, "daemon", asked_ns, seen_ns, phase.name))
        return asked_ns

    def _set(self, offsets_ns: Mapping[str, int], phase: PhasePlan) -> None:
        """Put clocks off, guarded, or right; by playbook, and seen by the probes."""
        hosts = sorted(offsets_ns)
        wrong = any(offsets_ns.values())
        if not wrong:
            # A clock that this run has not moved is as right as its host keeps it.
            hosts = [name for name in hosts if name in self._changed]
        if hosts:
            self._changed.update(hosts)
            self.playbooks.play(
                "skew", self._skew(offsets_ns) if wrong else {"restore": True}, hosts
            )
        asked_ns = self.clock.now_ns()
        for name in sorted(offsets_ns):
            seen_ns = self._see(name, offsets_ns[name])
            words = f"offset {format_duration(offsets_ns[name])}"
            now_ns = self.clock.now_ns()
            self.emit(
                FaultInForce(now_ns, name, "clock", words, asked_ns, now_ns, seen_ns, phase.name)
            )

    def _skew(self, offsets_ns: Mapping[str, int]) -> dict[str, object]:
        left_s = sum(phase.duration_ns / NS_PER_S + SPARE_S for phase in self._left)
        return {
            "offsets_s": {name: ns / NS_PER_S for name, ns in offsets_ns.items()},
            "restore_after_minutes": min(RESTORE_MIN_MAX, round(left_s / 60, 1)),
        }

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
            time.sleep(0.05)
        seen = self.watch.latest().get(name)
        shown = f"is {format_duration(seen.offset_ns)} off" if seen else "does not answer probes"
        raise FaultError(
            f"{name}: its clock was to be {format_duration(asked_ns)} off, and {shown}"
        )

    def _settle(self, phase: PhasePlan, switched_ns: int) -> None:
        """Wait until every steered clock is within the limit, as far as probes can tell."""
        if phase.settle is None:
            return
        limit_ns = phase.settle.limit_ns
        deadline = time.monotonic() + phase.settle.timeout_ns / NS_PER_S
        within_ns: int | None = None
        while True:
            now_ns, worst_ns, worst = self.clock.now_ns(), limit_ns + 1, "?"
            seen = self.watch.latest()
            steered = [name for name in phase.steered if name in self._names]
            if all(name in seen for name in steered):
                offs = [(abs(seen[n].offset_ns) - seen[n].error_ns, n) for n in steered]
                worst_ns, worst = max(offs, default=(0, ""))
            if worst_ns > limit_ns:
                within_ns = None
            elif within_ns is None:
                within_ns = now_ns
            elif now_ns - within_ns >= SETTLED_FOR_NS:
                break
            if time.monotonic() > deadline:
                raise FaultError(
                    f"phase {phase.name}: {worst} is still not within {format_duration(limit_ns)} "
                    f"{format_duration(phase.settle.timeout_ns)} after NTP was switched on",
                    hint="settle.limit and settle.timeout of the phase; `chronyc sources` there",
                )
            time.sleep(0.1)
        seconds = max(0, within_ns - switched_ns) / NS_PER_S
        self.emit(NtpSettled(self.clock.now_ns(), phase.name, seconds, limit_ns, max(0, worst_ns)))

    def _wait_for_all(self) -> None:
        """Every clock, and every server, must be seen once before anything is done."""
        wanted = {*self._names, REFERENCE}
        deadline = time.monotonic() + GRACE_S
        while time.monotonic() < deadline:
            missing = wanted - set(self.watch.latest())
            missing |= {name for name in self._names if not self.watch.times.knows(name)}
            if not missing:
                return
            time.sleep(0.1)
        hint = "fleet_allow must name this machine; UDP and TCP ports must be open to it"
        raise LabError(f"no answer from {', '.join(sorted(missing))}", hint=hint)

    def _measure(self, phase: PhasePlan) -> int:
        start_ns = self.clock.now_ns() + LEAD_NS
        buyers = None
        if phase.load:
            load = load_json(phase, self.plan, start_ns)
            load["servers"] = {host.name: host.url for host in self.fleet.hosts}
            log = self.directory.path / "logs" / "buyers" / f"{phase.name}.log"
            buyers = BuyersProcess(load, self.clock.anchor_ns, log, self.spool.append)
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
        append_records([file.read_bytes()], self.watch.times, self.spool.append)
        file.unlink()

    def finish(self, anchor_error_ns: int) -> None:
        """Every clock that was touched right again and NTP on; what is known now, noted."""
        self.watch.stop()
        self.directory.write_manifest(self.manifest(anchor_error_ns))
        if self._changed:
            hosts = sorted(self._changed)
            self.step(f"putting right: {', '.join(hosts)}")
            try:
                self.playbooks.play("skew", {"restore": True}, hosts)
            except LabError as error:
                self.step(f"{error.message}: the watchdogs will restore the time ({error.hint})")

    def manifest(self, anchor_error_ns: int) -> Manifest:
        """As of a lab; what differs is said: no ground truth, and how well times are known."""
        worst_ns = self.watch.times.worst_ns
        nodes = [
            ManifestNode(
                name=name, kind="server", ntp_daemon="chrony", lab_error_ns=worst_ns.get(name, 0)
            )
            for name in self._names
        ]
        nodes.append(ManifestNode(name=REFERENCE, kind="timeserver"))
        # The database goes by a clock of its own in a lab; here it is one of the servers'.
        made_of = of_plan(self.plan)
        made_of["skews"] = {k: v for k, v in made_of["skews"].items() if k in self._names}
        return Manifest(
            run=self.directory.run_id,
            **{**made_of, "clock_sample_hz": PROBE_HZ},
            truth="ntp-probe",
            anchor_ns=self.clock.anchor_ns,
            clock_error_ns=anchor_error_ns,
            nodes=nodes,
            scenario=dict(self.request.scenario),
            versions={"ntplab": __version__, "python": platform.python_version()},
            git_commit=git("rev-parse", "HEAD"),
            git_dirty=bool(git("status", "--porcelain")),
            command_line=sys.argv,
            overrides=list(self.request.overrides),
            started_at=datetime.now(UTC).isoformat(),
        )
