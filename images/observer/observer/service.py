"""The observer's main process: makes the pages, then samples them, and drives their oscillators,
until it is told to stop."""

from __future__ import annotations

import os
import select
import signal
import threading

from . import faults
from .asking import ASK
from .belief import Asker
from .config import Config
from .driving import Driver
from .output import Emit
from .pages import ClockPage, raw_ns
from .sampling import Sampler
from .schedule import NS_PER_S


class StopSignal:
    """SIGTERM or SIGINT, as something to wait for.

    A pipe, because a handler may run between any two instructions: were it to set an Event
    while this very thread holds the Event's lock, nothing would ever go on.
    """

    def __init__(self) -> None:
        self._reader, writer = os.pipe()
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)

    def wait(self, seconds: float) -> bool:
        """True as soon as the signal came, False after `seconds` without it."""
        return bool(select.select([self._reader], [], [], seconds)[0])


def serve(config: Config, anchor_ns: int, emit: Emit) -> None:
    """Create the pages, say `ready`, sample and ask until SIGTERM. Raises `PageError`."""
    stop = StopSignal()
    created = faults.create_missing(config, anchor_ns)
    clocks = {node.name: ClockPage(node.page, writable=False) for node in config.nodes}
    driver = Driver.of(config.nodes, anchor_ns, raw_ns, emit)
    raw = raw_ns()
    emit({"t": "ready", "raw_ns": raw, "lab_ns": raw + anchor_ns, "created": created})
    driver.start()
    done = threading.Event()
    _start_asking(config, anchor_ns, emit, done)
    Sampler(clocks, anchor_ns, raw_ns, emit).run(config.sample_hz, stop)
    done.set()
    driver.stop()


def _start_asking(config: Config, anchor_ns: int, emit: Emit, done: threading.Event) -> None:
    asked = [
        (node.name, node.ntp, ASK[node.daemon]) for node in config.nodes if node.ntp is not None
    ]
    period_ns = NS_PER_S / config.belief_hz
    for turn, (name, host, ask) in enumerate(asked):
        asker = Asker(name, host, anchor_ns, raw_ns, emit, ask)
        # Spread over the period: ten chronycs at once would be felt by who is measured.
        asker.start(config.belief_hz, round(turn * period_ns / len(asked)), done)
