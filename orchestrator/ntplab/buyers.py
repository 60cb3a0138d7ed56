"""The buyers of a lab: one container that stays, and is handed one load after the other.

After driver and collect, before phases. Starting a container for every load would cost each
phase, and each point of a sweep, more than a second.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping

from .collect.samples import Append, BuyersFeed
from .collect.streams import Document, Stream
from .driver.base import Driver
from .errors import NodeError
from .plan import PhasePlan, Plan, load_json
from .scenario.nodes import BUYERS
from .topology import LOADS_DIR, standing_buyers

READY_WITHIN_S = 60.0
END = ".end"
"""A file beside a load by which the program is told that it is over (buyers/standing.py)."""
HAND_IN = 'cat >"$1.new" && mv "$1.new" "$1"'
"""Under another name first: the program must never see half a load."""


class Buyers:
    """The standing buyers of one lab. Start it, then `play` load after load."""

    def __init__(self, driver: Driver, lab: str, anchor_ns: int) -> None:
        self._driver, self._lab, self._anchor_ns = driver, lab, anchor_ns
        self._feed: BuyersFeed | None = None
        self._stream: Stream | None = None
        self._ready = False
        self._refused: list[str] = []
        self._played = 0

    def start(self, labels: Mapping[str, str]) -> None:
        """Create and start the container; does not wait for it."""
        self._driver.create(self._lab, standing_buyers(self._lab, self._anchor_ns), {}, labels)
        self._driver.start(self._lab, BUYERS)
        self._stream = Stream(self._driver, self._lab, BUYERS, self._hear).start()

    def wait_ready(self) -> None:
        """Return once the program listens. Raises `NodeError` with its last words."""
        deadline = time.monotonic() + READY_WITHIN_S
        while not self._ready:
            if time.monotonic() > deadline or (self._stream and self._stream.ended):
                raise self._trouble("the buyers did not get ready")
            time.sleep(0.02)

    def play(self, phase: PhasePlan, plan: Plan, start_lab_ns: int, append: Append) -> BuyersFeed:
        """Hand in the load of `phase`; what is reported of it goes to `append` and the feed."""
        feed = self._feed = BuyersFeed(append)
        self._played += 1
        load = json.dumps(load_json(phase, plan, start_lab_ns)).encode()
        argv = ["sh", "-c", HAND_IN, "sh", f"{LOADS_DIR}/{self._played:06d}.json"]
        answer = self._driver.exec(self._lab, BUYERS, argv, stdin=load)
        if not answer.ok:
            raise self._trouble(f"the load could not be handed in: {answer.stderr.strip()}")
        return feed

    def end(self) -> None:
        """Nobody new comes; who was sent gets an answer, then the feed is `done`."""
        answer = self._driver.exec(
            self._lab, BUYERS, ["touch", f"{LOADS_DIR}/{self._played:06d}{END}"]
        )
        if not answer.ok:
            raise self._trouble(f"the load could not be ended: {answer.stderr.strip()}")

    def wait_done(self, within_s: float) -> BuyersFeed:
        """The feed of the last load once all of it was reported. Raises `NodeError`."""
        feed = self._feed
        assert feed is not None, "no load was played"
        deadline = time.monotonic() + within_s
        while not feed.done:
            self.check()
            if time.monotonic() > deadline:
                raise self._trouble(
                    f"the buyers did not finish: {feed.attempts} attempts are recorded"
                )
            time.sleep(0.02)
        return feed

    def remove(self) -> None:
        """Away with the container."""
        self._driver.remove(self._lab, BUYERS)

    def check(self) -> None:
        """Raises `NodeError` when the program refused a load or has ended."""
        if self._refused:
            raise NodeError(f"the buyers refused their load: {'; '.join(self._refused)}")
        if self._stream is not None and self._stream.ended:
            self._stream.join(timeout_s=0)
            raise self._trouble("the buyers ended")

    def _trouble(self, what: str) -> NodeError:
        return NodeError(
            what,
            log_tail=self._driver.log_tail(self._lab, BUYERS),
            hint=f"see logs/{BUYERS}/ in the run directory",
        )

    def _hear(self, document: Document) -> None:
        if document["t"] == "ready":
            self._ready = True
        elif document["t"] == "refused":
            self._refused = [str(problem) for problem in document["problems"]]
        elif self._feed is not None:
            self._feed(document)
