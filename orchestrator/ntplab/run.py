"""The story of a run, every step in order: read this first.

A run takes a plan through a lab of its own and leaves a run directory:

1. make the run directory; keep the scenario, the plan and every rendered file in it
2. bring the lab up: clock pages first, then the machines they belong to
3. for every phase: switch NTP, set the clocks, settle, load and strike, collect
4. collect the logs, take the lab down
5. seal the evidence, judge it, write results.json, report.html and the checksums

Steps 4 and 5 happen whatever went wrong before them: an interrupt, a dead node, our own bug.
"""

from __future__ import annotations

import json
import secrets
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .analysis import Results, analyze
from .buyers import Buyers
from .collect.databases import RawClocks
from .collect.files import collect_logs
from .driver.base import Driver
from .errors import NtplabError
from .events import Emit, Event, LabStep, ReportFailed, RunEnded, RunInterrupted, RunStarted
from .evidence import RunDirectory, SpoolWriter, seal, write_checksums
from .lab import Lab
from .labtime import LabClock
from .phases import PhaseRunner, Phases
from .plan import Plan
from .provenance import manifest, raw_offsets_ns
from .render import render_files
from .report import try_report
from .topology import RUN_LABEL
from .train_phases import TrainPhases


@dataclass(frozen=True)
class RunRequest:
    """What to run: the plan, the scenario it came from (as text and as data), where to put it."""

    plan: Plan
    scenario_text: str
    scenario: Mapping[str, object]
    runs: Path
    out: Path | None = None
    keep: bool = False
    """leave the lab up afterwards"""
    overrides: Sequence[str] = ()
    """what the scenario's text was changed by: with it, it is enough to do the run again"""


def run(request: RunRequest, driver: Driver, listen: Emit) -> tuple[RunDirectory, Results]:
    """Run the whole experiment; the run directory, sealed, and its results.

    Raises what went wrong (`LabError`, `KeyboardInterrupt`, ...) after the lab was removed and
    what evidence there is was sealed and judged.
    """
    directory = make_directory(request)
    clock = LabClock.anchored_now()

    def emit(event: Event) -> None:
        directory.append_event(event.record())
        listen(event)

    def no_report(reason: str) -> None:
        listen(ReportFailed(clock.now_ns(), str(directory.path), reason))

    with ExitStack() as at_the_end:
        heed = Heed()
        at_the_end.callback(heed.again)
        spool = SpoolWriter(directory)
        at_the_end.callback(lambda: judge(directory, no_report))
        at_the_end.callback(spool.close)
        lab = Lab(driver, request.plan, lab_name(request.plan), clock, emit, spool.append)
        at_the_end.callback(lambda: finish(lab, directory, emit, keep=request.keep))
        at_the_end.callback(heed.not_now)
        emit(RunStarted(clock.now_ns(), request.plan.name, lab.name, str(directory.path)))
        write_rendered(request.plan, directory)
        try:
            experiment(lab, request, directory, spool, emit)
        except BaseException as reason:
            emit(RunInterrupted(clock.now_ns(), in_words(reason)))
            raise
        emit(RunEnded(clock.now_ns()))
    return directory, Results.model_validate_json(directory.results.read_bytes())


def experiment(
    lab: Lab, request: RunRequest, directory: RunDirectory, spool: SpoolWriter, emit: Emit
) -> None:
    """Bring the lab up and take it through every phase."""
    labels = {RUN_LABEL: directory.run_id}
    said = {"overrides": list(request.overrides)}
    first = manifest(lab, directory.run_id, request.scenario, {})
    directory.write_manifest(first.model_copy(update=said))
    buyers = None if lab.train else Buyers(lab.driver, lab.name, lab.handle.clock.anchor_ns)
    lab.up(labels, beside=lambda: buyers.start(labels) if buyers else None)
    namespaces = lab.time_namespaces()
    description = manifest(lab, directory.run_id, request.scenario, namespaces)
    description = description.model_copy(update=said)
    directory.write_manifest(description)
    clocks = RawClocks(lab.handle.clock.anchor_ns, raw_offsets_ns(description))
    runner: Phases
    if buyers is not None:
        buyers.wait_ready()
        runner = PhaseRunner(lab, buyers, spool.append, emit, clocks)
    else:
        assert lab.train is not None
        runner = TrainPhases(lab, lab.train, spool.append, emit, clocks)
    for phase in request.plan.phases:
        runner.run(phase)
        spool.sync()


def in_words(reason: BaseException) -> str:
    """Why a run stopped."""
    if isinstance(reason, KeyboardInterrupt):
        return "interrupted"
    return reason.message if isinstance(reason, NtplabError) else repr(reason)


class Heed:
    """Whether signals that ask us to stop are heeded: not while we clean up because of one.

    A second Ctrl-C would otherwise leave containers behind and evidence unsealed.
    """

    def __init__(self) -> None:
        self._handlers: dict[signal.Signals, Any] = {}

    def not_now(self) -> None:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._handlers[number] = signal.signal(number, signal.SIG_IGN)

    def again(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)


def make_directory(request: RunRequest) -> RunDirectory:
    """The run directory with what is known before anything runs."""
    plan = request.plan
    directory = empty_directory(plan, request.runs, request.out)
    directory.write_text("scenario.yaml", request.scenario_text)
    directory.write_text("plan.json", json.dumps(plan.to_json(), indent=2) + "\n")
    return directory


def empty_directory(plan: Plan, runs: Path, out: Path | None) -> RunDirectory:
    """A new run directory: `out`, or one named after plan and time below `runs`."""
    if out is not None:
        return RunDirectory.create_at(out)
    return RunDirectory.create(runs, plan.name, datetime.now(UTC))


def write_rendered(plan: Plan, directory: RunDirectory) -> None:
    """Keep every rendered file (none holds a secret) as `rendered/<node>/<name>`."""
    for node, files in render_files(plan).items():
        for path, content in files.items():
            directory.write_bytes(f"rendered/{node}/{Path(path).name}", content)


def lab_name(plan: Plan) -> str:
    """A name of its own for every run, so that two runs never meet."""
    return f"{plan.name}-{secrets.token_hex(2)}"


def finish(lab: Lab, directory: RunDirectory, emit: Emit, *, keep: bool) -> None:
    """Bring the logs home and remove the lab, unless it is to be kept."""
    try:
        nodes = [info.node for info in lab.driver.containers(lab.name)]
        for words in collect_logs(lab.driver, lab.name, nodes, directory.path / "logs"):
            emit(LabStep(lab.now_ns(), f"log not collected: {words}"))
    finally:
        if not keep:
            lab.down()


def judge(directory: RunDirectory, tell: Callable[[str], None] | None = None) -> None:
    """Seal the evidence, judge it, report it, and put checksums over all of it.

    `tell` is told why there is no report, where it could not be made: no more than that is lost.
    """
    seal(directory)
    description = directory.read_manifest()
    ended = datetime.now(UTC).isoformat()
    directory.write_manifest(description.model_copy(update={"ended_at": ended}))
    analyze(directory.path)
    reason = try_report(directory)
    write_checksums(directory)
    if reason and tell is not None:
        tell(reason)
