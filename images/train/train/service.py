"""A running node: host, timer, control socket and its own load around one carrier of lines.

`run` is what `main.py` calls for the lab (`tcp.py`) and for Airplug (`pipes.py`) alike. Whatever
goes wrong inside ends the node with an error; it never goes on with a state that is not durable.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec

from . import clocks, commands, timetable
from .carrier import Carrier, Hearing
from .config import Config
from .control import Control, Request, load_of, serve
from .customers import Customers, Load
from .host import Host
from .place import Place
from .ticker import Ticker

P = ParamSpec("P")
EXIT_INTERRUPTED = 128 + signal.SIGINT


class Service:
    """One node on `place`, heard and spoken to through `carrier`. Raises `StoreError`."""

    def __init__(
        self,
        config: Config,
        place: Place,
        carrier: Carrier,
        log: Callable[[dict[str, Any]], None],
    ) -> None:
        self.host = Host(
            config.birth(),
            settings=config.settings,
            rules=config.rules(),
            store=place.store,
            snapshots=place.directory,
            clocks=clocks.read,
            send=carrier.send,
            log=log,
        )
        self._carrier = carrier
        self._customers = Customers(self.host, self._after, self._fail)
        self._control = Control(self.host, carrier.impair, self._load, self._more_status)
        self._ticker = Ticker(self._guarded(self.host.tick), self.host.next_due_ns)
        self._stopped: asyncio.Future[int] | None = None

    async def run(self, control: Path, *, load: Load | None = None, csv: str | None = None) -> int:
        """Until told to stop; returns the exit code, or raises what ended it.

        `load` is a client's own; `csv` a timetable for an office that has no tickets yet.
        """
        loop = asyncio.get_running_loop()
        self._stopped = loop.create_future()
        for number, code in ((signal.SIGTERM, 0), (signal.SIGINT, EXIT_INTERRUPTED)):
            loop.add_signal_handler(number, self._stop, code)
        self.host.start()
        office = self.host.node.office
        if csv is not None and office is not None and office.next_id == 1:
            self.host.command(commands.create_tickets, timetable.read(csv))
        if load is not None:
            self._customers.start(load)
        tasks = [
            loop.create_task(self._carry()),
            loop.create_task(
                serve(control, self._guarded(self._control.answer), self._after), name="control"
            ),
        ]
        for task in tasks:
            task.add_done_callback(self._task_ended)
        self._after()
        try:
            return await self._stopped
        finally:
            self._customers.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with contextlib.suppress(OSError):
                control.unlink()

    async def _carry(self) -> None:
        receive, reject = self._guarded(self.host.receive_all), self._guarded(self.host.reject)
        await self._carrier.run(Hearing(receive, reject, self._after))
        self._stop(0)

    def _stop(self, code: int) -> None:
        if self._stopped is not None and not self._stopped.done():
            self.host.log("stopped")
            self._stopped.set_result(code)

    def _fail(self, error: BaseException) -> None:
        if self._stopped is not None and not self._stopped.done():
            self._stopped.set_exception(error)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._fail(error)

    def _guarded(self, do: Callable[P, Any]) -> Callable[P, Any]:
        """`do`, ending the node when it raises: a callback's errors reach nobody otherwise."""

        def guarded(*args: P.args, **kwargs: P.kwargs) -> Any:
            try:
                return do(*args, **kwargs)
            except Exception as error:
                self._fail(error)
                raise

        return guarded

    def _after(self) -> None:
        """After every event: what is due next may have changed, a request may have ended."""
        self._ticker.arm()
        self._customers.noticed()

    def _load(self, request: Request) -> dict[str, Any]:
        action = request.get("action")
        if action == "start":
            self._customers.start(load_of(request))
        elif action == "stop":
            self._customers.stop()
        return self._load_status()

    def _load_status(self) -> dict[str, Any]:
        return {"running": self._customers.running, "made": self._customers.made}

    def _more_status(self) -> dict[str, Any]:
        return {"links": self._carrier.status(), "load": self._load_status()}


def run(coroutine: Coroutine[Any, Any, int]) -> int:
    """The event loop's life."""
    with asyncio.Runner() as runner:
        return runner.run(coroutine)
