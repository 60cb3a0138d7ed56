"""One phase of a run: switch NTP, set the clocks, settle, load and strike, collect.

After lab and faults, before run.py. What cannot be seen in force ends the run.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from .buyers import Buyers
from .collect.databases import DATABASE_NODE, RawClocks, collect_records, hand_in_readings
from .collect.samples import Append, BuyersFeed
from .errors import NodeError
from .events import (
    Emit,
    FaultInForce,
    NtpSettled,
    NtpSwitched,
    PhaseEnded,
    PhaseMeasuring,
    PhaseStarted,
)
from .evidence import CLOCK_ERROR_NS
from .faults import (
    check_dates,
    let_temperature,
    let_wander,
    place_clocks,
    strike,
    switch_ntp,
)
from .faults.handle import each
from .lab import Lab
from .plan import ClockSetting, FaultPlan, PhasePlan
from .settling import Worst, wait_settled
from .timeline import setting_in_words
from .units import NS_PER_S

LEAD_NS = 300_000_000
"""From handing in a load to its first arrival: time for it to reach the buyers."""
TICK_S = 0.05
LOOK_FOR_DEAD_S = 1.0
GRACE_S = 20.0
"""How long after the last answer can be due the buyers may take to finish."""
DATE_TOLERANCE_NS = 20_000_000


class Phases(ABC):
    """Runs phases of `lab`, whatever system is in it; evidence goes to `append`, what happens to
    `emit`."""

    def __init__(self, lab: Lab, append: Append, emit: Emit) -> None:
        self.lab, self.append, self.emit = lab, append, emit
        self._looked_at = 0.0

    @abstractmethod
    def measure(self, phase: PhasePlan) -> int | None:
        """The load window: load runs, faults strike; how many attempts were meant, if that is
        known before."""

    @abstractmethod
    def collect(self, phase: PhasePlan) -> None:
        """The records of this phase that do not come by themselves."""

    def run(self, phase: PhasePlan) -> None:
        """The whole phase, in order. Raises `FaultError` or `NodeError` if it cannot be had."""
        lab = self.lab
        self.emit(PhaseStarted(lab.now_ns(), phase.name, phase.ntp, phase.duration_ns))
        if phase.begins_off:
            self.switch(phase, "off")
        self.set_clocks(phase)
        if phase.ntp == "on":
            switched_ns = self.switch(phase, "on")
            self.settle(phase, switched_ns)
        arrivals = self.measure(phase)
        self.emit(PhaseEnded(lab.now_ns(), phase.name, arrivals))
        self.collect(phase)

    def switch(self, phase: PhasePlan, state: str) -> int:
        """Switch NTP of the phase's nodes at once; lab time when it was asked for."""
        asked_ns = self.lab.now_ns()

        def one(node: str) -> None:
            in_force_ns = switch_ntp(self.lab.handle, node, state, phase.method)
            self.emit(
                NtpSwitched(
                    self.lab.now_ns(), node, state, phase.method, asked_ns, in_force_ns, phase.name
                )
            )

        each(self.lab.living(phase.switched), one)
        return asked_ns

    def set_clocks(self, phase: PhasePlan) -> None:
        """Put every clock where the phase wants it, seen on its page and by `date`.

        A clock that a daemon goes on steering is not asked for its date: it may be right again.
        """
        settings = [s for s in phase.set_clocks if s.node not in self.lab.dead]
        if not settings:
            return
        asked_ns = self.lab.now_ns()
        wanted = {s.node: (s.offset_ns, s.drift_ppm) for s in settings}
        seen = place_clocks(self.lab.handle, wanted)
        each(settings, lambda setting: self._tell_clock(phase, setting, asked_ns, seen))
        steered = phase.steered if phase.ntp == "keep" else ()
        expected_ns = {s.node: s.offset_ns for s in settings if s.node not in steered}
        check_dates(self.lab.handle, expected_ns, DATE_TOLERANCE_NS)

    def _tell_clock(
        self, phase: PhasePlan, setting: ClockSetting, asked_ns: int, seen: Mapping[str, Any]
    ) -> None:
        """Say where a clock is seen to be; first have its oscillator do what is not constant."""
        if wander := setting.oscillator.wander:
            seen = let_wander(self.lab.handle, setting.node, wander)
        if temperature := setting.oscillator.temperature:
            seen = let_temperature(self.lab.handle, setting.node, temperature)
        self.emit(
            FaultInForce(
                self.lab.now_ns(),
                setting.node,
                "clock",
                setting_in_words(setting),
                asked_ns,
                int(seen["lab_ns"]),
                int(seen["divergence_ns"][setting.node]),
                phase.name,
                seen["nodes"][setting.node]["models"],
            )
        )

    def settle(self, phase: PhasePlan, switched_ns: int) -> None:
        """Wait until every steered clock is within the limit, and stays; say how long it took."""
        if phase.settle is None:
            return
        since_ns, worst = wait_settled(
            phase.name,
            phase.settle,
            lambda: self._worst(phase),
            lambda: self.lab.feed.wait(TICK_S),
            hint="the logs of its NTP daemon tell why; settle.timeout gives it longer",
        )
        seconds = max(0, since_ns - switched_ns) / NS_PER_S
        limit_ns = phase.settle.limit_ns
        now_ns = self.lab.now_ns()
        self.emit(NtpSettled(now_ns, phase.name, seconds, limit_ns, worst.off_ns))

    def _worst(self, phase: PhasePlan) -> Worst:
        self._look_for_dead()
        latest = self.lab.feed.latest()
        steered = [
            Worst(abs(latest[node].divergence_ns), node, latest[node].lab_ns)
            for node in self.lab.living(phase.steered)
            if node in latest
        ]
        nobody = Worst(0, "", self.lab.now_ns())
        return max(steered, key=lambda worst: worst.off_ns, default=nobody)

    def _strike(self, phase: PhasePlan, fault: FaultPlan) -> None:
        asked_ns = self.lab.now_ns()
        struck = strike(self.lab.handle, fault)
        seen_ns = self.lab.now_ns()
        self.emit(
            FaultInForce(
                seen_ns,
                fault.node,
                fault.kind,
                struck.value,
                asked_ns,
                seen_ns,
                struck.divergence_ns,
                phase.name,
                struck.oscillator,
            )
        )

    def _wait_until(self, lab_ns: int) -> None:
        while (left_ns := lab_ns - self.lab.now_ns()) > 0:
            self._look_for_dead()
            self.lab.feed.wait(min(TICK_S, left_ns / NS_PER_S))

    def _look_for_dead(self) -> None:
        """Asking the engine costs it some work, so not at every tick."""
        if time.monotonic() - self._looked_at >= LOOK_FOR_DEAD_S:
            self._looked_at = time.monotonic()
            self.lab.check_alive()
            self.lab.check_observer()


class PhaseRunner(Phases):
    """Runs phases of the concert: `buyers` play their load, databases hold the records."""

    def __init__(
        self, lab: Lab, buyers: Buyers, append: Append, emit: Emit, clocks: RawClocks
    ) -> None:
        super().__init__(lab, append, emit)
        self.buyers, self.clocks = buyers, clocks

    def measure(self, phase: PhasePlan) -> int:
        """The load window: buyers buy, faults strike when due; how many attempts were meant."""
        start_ns = self.lab.now_ns() + LEAD_NS
        feed = None
        if phase.load:
            feed = self.buyers.play(phase, self.lab.plan, start_ns, self.append)
        self._wait_until(start_ns)
        self.emit(PhaseMeasuring(start_ns, phase.name))
        for fault in phase.faults:
            self._wait_until(start_ns + fault.at_ns)
            self._strike(phase, fault)
        self._wait_until(start_ns + phase.duration_ns)
        if feed is None:
            return 0
        self._wait_for_buyers(phase, feed)
        return feed.arrivals

    def _wait_for_buyers(self, phase: PhasePlan, feed: BuyersFeed) -> None:
        latest_ns = max(load.confirm_max_ns + (load.gap_max_ns or 0) for load in phase.load)
        latest_ns += 2 * self.lab.plan.request_timeout_ns
        deadline = time.monotonic() + latest_ns / NS_PER_S + GRACE_S
        while not feed.done:
            self._look_for_dead()
            self.buyers.check()
            if time.monotonic() > deadline:
                raise NodeError(
                    f"phase {phase.name}: the buyers did not finish, {feed.attempts} of "
                    f"{feed.arrivals} attempts are recorded",
                    hint="see logs/buyers/ in the run directory",
                )
            self.lab.feed.wait(TICK_S)

    def collect(self, phase: PhasePlan) -> None:
        """The servers' own records of this phase; and what the observer saw of their clocks, for
        `/compare_reservations`."""
        lab, readings = self.lab, self.lab.feed.take_readings()
        if not phase.load or DATABASE_NODE in lab.dead:
            return
        at = lab.driver, lab.name
        both: list[Callable[[], object]] = [
            lambda: collect_records(*at, phase.name, self.clocks, self.append),
            lambda: hand_in_readings(*at, self.clocks, readings, CLOCK_ERROR_NS),
        ]
        each(both, lambda do: do())

    def _look_for_dead(self) -> None:
        super()._look_for_dead()
        self.buyers.check()
