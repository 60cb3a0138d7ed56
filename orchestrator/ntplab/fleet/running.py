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
from contextlib import ExitStack
from datetime import UTC, datetime

from .. import __version__
from ..analysis import Results
from ..errors import LabError, UsageError
from ..events import (
    Emit,
    Event,
    LabStep,
    ReportFailed,
    RunEnded,
    RunInterrupted,
    RunStarted,
)
from ..evidence import Manifest, ManifestNode, RunDirectory, SpoolWriter
from ..labtime import LabClock
from ..provenance import git, of_plan
from ..run import Heed, empty_directory, in_words, judge
from .inventory import Fleet
from .phases import FleetPhases
from .playbooks import Playbooks
from .request import FleetRequest, unfit
from .sntp import NoAnswer
from .watch import PROBE_HZ, REFERENCE, Watch, anchored_to

SEEN_WITHIN_S = 20.0


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
        at_the_end.callback(
            lambda: judge(
                directory,
                lambda reason: listen(ReportFailed(clock.now_ns(), str(directory.path), reason)),
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
        self.plan, self.request = request.plan, request
        self.directory, self.spool, self.playbooks = directory, spool, playbooks
        self.clock, self._listen = clock, listen
        self.watch = Watch(request.fleet, clock, spool.append)
        self._names = [server.name for server in request.plan.servers]
        self.phases = FleetPhases(
            request, directory, spool.append, playbooks, clock, self.watch, self.emit
        )

    def emit(self, event: Event) -> None:
        self.directory.append_event(event.record())
        self._listen(event)

    def step(self, words: str) -> None:
        self.emit(LabStep(self.clock.now_ns(), words))

    def run(self) -> None:
        if self.request.deploy:
            self.step("deploying the booking servers")
            told = {
                "fleet_policy": self.plan.policy,
                "fleet_policy_params": self.plan.policy_params,
            }
            self.playbooks.play("fleet", told)
        self.step("emptying the databases")
        self.playbooks.play("fleet_reset", {})
        self.watch.start()
        self._wait_for_all()
        for index, phase in enumerate(self.plan.phases):
            self.phases.run(phase, self.plan.phases[index:])
            self.spool.sync()

    def _wait_for_all(self) -> None:
        """Every clock, and every server, must be seen once before anything is done."""
        wanted = {*self._names, REFERENCE}
        deadline = time.monotonic() + SEEN_WITHIN_S
        while time.monotonic() < deadline:
            missing = wanted - set(self.watch.latest())
            missing |= {name for name in self._names if not self.watch.times.knows(name)}
            if not missing:
                return
            time.sleep(0.1)
        hint = "fleet_allow must name this machine; UDP and TCP ports must be open to it"
        raise LabError(f"no answer from {', '.join(sorted(missing))}", hint=hint)

    def finish(self, anchor_error_ns: int) -> None:
        """Every clock that was touched right again and NTP on; what is known now, noted."""
        self.watch.stop()
        self.directory.write_manifest(self.manifest(anchor_error_ns))
        if self.phases.changed:
            hosts = sorted(self.phases.changed)
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
