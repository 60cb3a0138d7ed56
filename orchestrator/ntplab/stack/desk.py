"""The desk of the demo stack: one lab that stands for good, and nothing to choose from."""

from __future__ import annotations

from pathlib import Path

from ..driver.base import Driver
from ..errors import UsageError
from ..evidence import RunDirectory
from ..plan import Plan
from ..ui.desk import Desk
from ..ui.session import Session
from .driver import HandsDriver


class StackDesk(Desk):
    """Shows the session that the keeper put on it."""

    def __init__(self, runs: Path, driver: HandsDriver) -> None:
        super().__init__(runs, runs / "no-scenarios", lambda: driver, _no_plan, _no_lab)
        self._idle.tell(step="waiting until every part of the stack answers")

    def put(self, session: Session | None) -> None:
        """Show this one from now on."""
        with self._lock:
            self._session = session

    @property
    def shown(self) -> Session | None:
        return self._session

    # what a lab of one's own can do, and a stack that others look at cannot

    def look_around(self, wanted: str | None = None) -> None:
        raise _not_here("showing another lab")

    def watch(self, run: RunDirectory) -> None:
        raise _not_here("showing a run")

    def replay(self, which: str) -> None:
        raise _not_here("replaying a run")

    def clear(self) -> None:
        raise _not_here("putting the lab away")

    def begin_run(self, name: str) -> None:
        raise _not_here("running a scenario")

    def begin_lab(self, name: str) -> None:
        raise _not_here("starting a lab")

    def end_lab(self) -> None:
        raise _not_here("taking the lab down")

    def close(self) -> None:
        """The page ends: seal what was recorded."""
        session, self._session = self._session, None
        if session is not None:
            session.close()


def _not_here(what: str) -> UsageError:
    hint = "`./ntplab ui` on a machine of your own can"
    return UsageError(f"{what} is not possible in the demo stack", hint=hint)


def _no_plan(_file: Path) -> Plan:
    raise _not_here("running a scenario")


def _no_lab(_plan: Plan) -> Driver:
    raise _not_here("starting a lab")
