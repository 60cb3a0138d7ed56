"""What is on the page now, and what its buttons do. One desk for all browsers.

On it lies nothing, a standing lab (`Session`), a run that is going on (`Tail`), or a finished
run (`Replay`). Between these and the server.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ..collect.databases import RawClocks
from ..driver.base import Driver
from ..errors import EvidenceError, LabError, NtplabError, UsageError
from ..events import Event, LabStep
from ..evidence import Evidence, RunDirectory, find_run, list_runs
from ..plan import Plan
from ..provenance import raw_offsets_ns
from ..standing import PLAN_LABEL, bring_up
from ..topology import RUN_LABEL
from .explain import about_seat, ask_database
from .jobs import Job
from .model import Model
from .network import network_of
from .replay import SPEEDS, Replay
from .session import Session
from .tail import Tail

MANIFEST_WITHIN_S = 60.0
RUNS_SHOWN = 50


class Desk:
    """`connect` gives a driver, `prepare` one for a plan with its images made."""

    def __init__(
        self, runs: Path, scenarios: Path, connect: Callable[[], Driver],
        plan: Callable[[Path], Plan], prepare: Callable[[Plan], Driver],
    ) -> None:  # fmt: skip
        self._runs, self._scenarios = runs.resolve(), scenarios
        self._connect, self._plan, self._prepare = connect, plan, prepare
        self._lock = threading.RLock()
        self._idle = Model(mode="idle")
        self._session: Session | None = None
        self._tail: Tail | None = None
        self._replay: Replay | None = None
        self._job: Job | None = None
        self._watched: Model | None = None
        self._run: RunDirectory | None = None

    @property
    def model(self) -> Model:
        """What the page shows now."""
        if self._replay is not None:
            return self._replay.model
        if self._session is not None:
            return self._session.model
        return self._watched or self._idle

    # what there is

    def library(self) -> dict[str, Any]:
        """Scenarios that can be started, runs that can be replayed, labs that are up."""
        runs = list_runs(self._runs)[: -RUNS_SHOWN - 1 : -1]
        return {
            "scenarios": [path.stem for path in sorted(self._scenarios.glob("*.yaml"))],
            "runs": [f"{run.path.parent.name}/{run.run_id}" for run in runs],
            "labs": self._labs(),
        }

    def _labs(self) -> list[str]:
        try:
            return self._connect().labs()
        except NtplabError:
            return []  # without an engine, runs can still be replayed

    # choosing what is shown

    def look_around(self, wanted: str | None = None) -> None:
        """Show the lab that is up, if there is one: by its name, or the first."""
        driver = self._connect()
        labs = [wanted] if wanted else driver.labs()
        for lab in labs:
            labels = [info.labels for info in driver.containers(lab)]
            run = next((found[RUN_LABEL] for found in labels if RUN_LABEL in found), None)
            going_on = [d for d in list_runs(self._runs) if d.run_id == run and not d.is_sealed]
            if going_on:
                return self.watch(going_on[0])
            if any(PLAN_LABEL in found for found in labels) or wanted:
                return self.take(lab)
        return None

    def take(self, lab: str) -> None:
        """Show a standing lab, and record what is done to it."""
        with self._lock:
            self.clear()
            self._session = Session(self._connect(), lab, self._runs).start()

    def watch(self, run: RunDirectory) -> None:
        """Show a run that is going on; when it has ended, its replay."""
        with self._lock:
            self.clear()
            about = about_run(run, MANIFEST_WITHIN_S)
            self._run = run
            self._watched = Model(**about | {"mode": "run", "job": self._job is not None})
            self._tail = Tail(run, self._watched.feed, self._ended).start()

    def replay(self, which: str) -> None:
        """Show a finished run: a path, a run id, or `latest`."""
        run = find_run(which, self._runs)
        if run.read_manifest().sweep is not None:
            raise UsageError(
                f"{which} is a sweep, which is many runs", hint=f"open one of {run.path}/points/"
            )
        replay = Replay(run, about_run(run) | {"mode": "replay"})
        with self._lock:
            self.clear()
            self._run, self._replay = run, replay.start()

    def clear(self) -> None:
        """Put away what is shown; a lab stays up, a run goes on."""
        with self._lock:
            session, self._session = self._session, None
            if session is not None:
                session.close()
            if self._tail is not None and threading.current_thread() is not self._tail.thread:
                self._tail.stop()
            if self._replay is not None:
                self._replay.stop()
            self._tail = self._replay = self._watched = self._run = None

    def _ended(self) -> None:
        """A watched run is over: show it again, from its evidence."""
        run, job = self._run, self._job
        if run is None:
            return
        if job is not None:
            job.wait(60)
        else:
            _wait_for(lambda: run.is_sealed, 60)
        with self._lock:
            if self._run is run:
                try:
                    self.replay(str(run.path))
                except NtplabError as error:
                    self.model.tell(trouble=error.message)

    # scenarios and labs

    def scenario(self, name: str) -> Path:
        """The file of one of the scenarios in the library."""
        if name not in self.library()["scenarios"]:
            raise UsageError(f"no scenario {name!r} in {self._scenarios}")
        return self._scenarios / f"{name}.yaml"

    def begin_run(self, name: str) -> None:
        """Start a scenario, as `./ntplab run` does, and show it."""
        file = self.scenario(name)
        plan = self._plan(file)
        with self._lock:
            if self._job is not None and self._job.running:
                raise UsageError("a scenario is running already", hint="stop it first")
            self.clear()
            run = RunDirectory.name_for(self._runs, plan.name, datetime.now(UTC))
            self._job = Job(file, run.path, self._job_ended)
        try:
            self.watch(run)
        except EvidenceError:
            self._job.stop()
            raise LabError(
                f"scenario {name} did not begin", log_tail=self._job.last_words,
                hint=f"./ntplab run {file} says more",
            ) from None  # fmt: skip

    def stop_run(self) -> None:
        """Stop the scenario that was started here; it cleans up after itself."""
        if self._job is None or not self._job.running:
            raise UsageError("no scenario that was started here is running")
        self._job.stop()

    def _job_ended(self, code: int, words: list[str]) -> None:
        if code not in (0, 1, 4, 130):
            self.model.tell(trouble=" ".join(words[-2:]))

    def begin_lab(self, name: str) -> None:
        """Bring up a lab without a timeline, as `./ntplab up` does, and show it."""
        plan = self._plan(self.scenario(name))
        with self._lock:
            self.clear()
            self._idle.tell(step=f"lab {plan.name}")
            try:
                driver = self._prepare(plan)
                driver.remove_lab(plan.name)
                bring_up(driver, plan, plan.name, self._step)
                self.take(plan.name)
            finally:
                self._idle.tell(step="")

    def end_lab(self) -> None:
        """Take down the lab that is shown."""
        with self._lock:
            lab = self.session.lab
            self.clear()
            lab.driver.remove_lab(lab.name)

    def _step(self, event: Event) -> None:
        if isinstance(event, LabStep):
            self._idle.tell(step=event.step)

    # what acts on what is shown

    @property
    def session(self) -> Session:
        """The lab under one's hands; `UsageError` when something else is shown."""
        if self._session is None:
            raise UsageError(
                "there is no lab to act on", hint="start one from the page, or by `./ntplab up`"
            )
        return self._session

    def control_replay(
        self, playing: bool | None, speed: float | None, position_ms: float | None
    ) -> None:
        if self._replay is None:
            raise UsageError("no run is being replayed")
        if speed is not None and speed not in SPEEDS:
            raise UsageError(
                f"no speed {speed:g}", hint=f"there are: {', '.join(map(str, SPEEDS))}"
            )
        self._replay.control(playing, speed, position_ms)

    def seat(self, phase: str, seat: str) -> dict[str, Any]:
        """Both receipts of a seat, and why."""
        receipts = self.model.receipts(phase, seat)
        if self._session is not None:
            recording = self._session.recording_of(phase)
            run = recording.directory if recording else None
            lab: str | None = self._session.lab.name
        else:
            run, lab = self._run, None
            if self._tail is not None:
                lab = self.model.about().get("lab") or None
        if run is None or not receipts:
            return {"phase": phase, "seat": seat, "receipts": []}
        asked = self._ask(run, lab, phase, seat) if lab else {}
        return about_seat(run, phase, seat, receipts, asked)

    def _ask(self, run: RunDirectory, lab: str, phase: str, seat: str) -> dict[str, Any]:
        """The servers' records of a seat whose phase may not be collected yet."""
        manifest = run.read_manifest()
        clocks = RawClocks(manifest.anchor_ns, raw_offsets_ns(manifest))
        try:
            return dict(ask_database(self._connect(), lab, phase, seat, clocks))
        except NtplabError:
            return {}  # the lab is gone: what was collected has to do

    def close(self) -> None:
        """The page ends: seal what was recorded, stop what was started here."""
        if self._job is not None and self._job.running:
            self._job.stop()
            self._job.wait(120)
        self.clear()


def about_run(run: RunDirectory, wait_s: float = 0.0) -> dict[str, Any]:
    """What the page should know of a run; waits for one that is just beginning."""
    _wait_for(lambda: (run.path / "manifest.json").exists(), wait_s)
    manifest = run.read_manifest()
    train = (manifest.plan or {}).get("train")
    with Evidence(run) as evidence:
        started = next((e for e in evidence.events() if e.name == "run.started"), None)
    return {
        "scenario": manifest.scenario_name,
        "policy": (train or {}).get("protocol") or manifest.policy,
        "servers": manifest.servers,
        "system": (manifest.plan or {}).get("system", "concert"),
        "network": network_of(train),
        "run": run.run_id,
        "lab": started.fields.get("lab") if started else None,
        "planned": [
            {"name": phase.name, "ntp": phase.ntp, "ms": phase.duration_ns / 1e6}
            for phase in manifest.phases
        ],
    }


def _wait_for(look: Callable[[], bool], timeout_s: float) -> None:
    deadline = time.monotonic() + timeout_s
    while not look() and time.monotonic() < deadline:
        time.sleep(0.05)
