"""Keeps the demo stack's one lab standing: a steady load, what died comes back, what is old goes.

Every `rotate_s` what was recorded is sealed and judged, the database emptied, and everything begun
anew, so that neither evidence nor rows nor the page's memory grow without end.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from pathlib import Path

from ..errors import DiskError, NtplabError
from ..evidence import list_runs
from ..scenario.nodes import BUYERS, OBSERVER
from ..standing import lab_handle, plan_text
from ..ui.session import Session
from .desk import StackDesk
from .driver import HandsDriver
from .preparing import LAB, NODES
from .settings import SERVERS, Settings

LOOK_EVERY_S = 1.0
ROOM_MIN_BYTES = 16 << 20
"""With less than this free, recording is not begun again."""


class Keeper:
    """`start` it once. All that it does, it does in one thread."""

    def __init__(
        self, desk: StackDesk, driver: HandsDriver, settings: Settings, runs: Path
    ) -> None:
        self._desk, self._driver, self._settings, self._runs = desk, driver, settings, runs
        self._lives: dict[str, str] = {}
        self._begun = 0.0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._keep, name="keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def end(self) -> None:
        """Returns once nothing is under way any more."""
        self._ending.set()
        self._thread.join(60)

    @property
    def alive(self) -> frozenset[str]:
        """Who answered at the last look."""
        return frozenset(self._lives)

    def _keep(self) -> None:
        while not self._ending.is_set():
            try:
                self.look()
            except NtplabError as error:
                self._desk.model.tell(trouble=error.message, step=error.message)
            self._ending.wait(LOOK_EVERY_S)

    def look(self) -> None:
        """Do what is due now, if anything is."""
        seen = {node: self._driver.of(node).life() for node in NODES}
        lives = {node: life for node, life in seen.items() if life is not None}
        back = {node for node, life in lives.items() if self._lives.get(node) != life}
        alive, self._lives = set(lives), lives
        session = self._desk.shown
        if alive != set(NODES):
            missing = ", ".join(sorted(set(NODES) - alive))
            self._desk.model.tell(trouble=f"does not answer: {missing}")
        if session is None:
            if alive == set(NODES):
                self._begin(None)
        elif self._has_other_time(back, session) or self._is_old():
            self._begin(session)
        elif _is_out_of_room(session):
            self._begin_if_there_is_room(session)
        else:
            self._welcome_back(back, session)
            if alive == set(NODES):
                session.model.tell(trouble="")

    def _has_other_time(self, back: set[str], session: Session) -> bool:
        """Whether the observer came back with another anchor, as after a restart of it all."""
        if OBSERVER not in back:
            return False
        return lab_handle(self._driver, LAB).clock != session.lab.handle.clock

    def _is_old(self) -> bool:
        return time.monotonic() - self._begun > self._settings.rotate_s

    def _begin_if_there_is_room(self, before: Session) -> None:
        free = shutil.disk_usage(self._runs).free
        if free < ROOM_MIN_BYTES:
            self._desk.model.tell(
                trouble="the disk is full: nothing is recorded until there is room"
            )
        else:
            self._begin(before)

    def _welcome_back(self, back: set[str], session: Session) -> None:
        for node in back & set(SERVERS):
            try:
                session.revive(node)
            except NtplabError:
                del self._lives[node]  # its app is still starting: at the next look again
        if BUYERS in back and session.rate_hz:
            with contextlib.suppress(NtplabError):  # their last load died with them
                session.load(session.rate_hz)
            session.load(session.rate_hz)

    def _begin(self, before: Session | None) -> None:
        """A new session: after `before`, as that was left."""
        rate_hz = self._settings.load_hz
        if before is not None:
            rate_hz = before.rate_hz
            self._driver.plan = plan_text(before.lab.plan)
            with contextlib.suppress(NtplabError):  # a part that died must not keep the old one
                before.close()
        session = Session(
            self._driver, LAB, self._runs, self._settings.load_max_hz, standing=True
        )  # fmt: skip
        if before is not None:
            session.model.go_on_from(before.model)
        session.start()
        self._driver.of(BUYERS).restart(session.lab.handle.clock.anchor_ns)
        session.start_fresh()
        if rate_hz:
            session.load(rate_hz)
        self._desk.put(session)
        self._begun = time.monotonic()
        prune(self._runs, self._settings.runs_kept)


def _is_out_of_room(session: Session) -> bool:
    """Whether a full disk has ended the recording."""
    try:
        session.check()
    except DiskError:
        return True
    except NtplabError:
        pass  # whoever died is seen by their life
    return False


def prune(runs: Path, kept: int) -> None:
    """Remove all but the newest recordings."""
    for run in list_runs(runs)[:-kept]:
        shutil.rmtree(run.path, ignore_errors=True)
