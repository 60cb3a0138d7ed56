"""NTP switched on: how soon are wrong clocks right, and how right are they then?

Five servers, each round with other clocks: the two worst allowed, the others drawn between them.
The observer samples them against lab time, twenty times a second. chronyd's own opinion is not
asked.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from dataclasses import replace

from ..buyers import Buyers
from ..errors import LabError, NodeError
from ..faults import bend, reset_clocks, switch_ntp
from ..faults.handle import each
from ..lab import Lab
from ..paths import HEADLINE_SCENARIO
from ..plan import ClockSetting, PhasePlan
from ..planner import make_plan
from ..scenario import load_scenario
from ..units import NS_PER_MS, NS_PER_S
from .figures import Outcome, against_limit
from .labs import plan_of, standing
from .measuring import Bench
from .samples import ClockSamples, seconds_until_within, worst_p99_us

CONVERGENCE = "ntp_convergence"
STEADY = "steady_state_p99"
LOADED = "steady_state_p99_loaded"
ABOUT = {
    CONVERGENCE: "NTP on: seconds until the slowest of five servers is within 1 ms for good",
    STEADY: "NTP on and settled: p99 of the worst server's |divergence|, nothing else going on",
    LOADED: "... under the demo's load",
}
LIMITS = {CONVERGENCE: (10.0, "s"), STEADY: (100.0, "us"), LOADED: (200.0, "us")}
RUNS = 3
SERVERS = 5
OFFSET_NS_MAX = 5 * NS_PER_S
DRIFT_PPM_MAX = 50.0
WITHIN_NS = NS_PER_MS
SETTLING_S_MAX = 60.0
HOLD_NS = 2_500_000_000
"""From the last clock being right to the measuring: as long as a phase of a run leaves."""
WINDOW_NS = 20 * NS_PER_S
LEAD_NS = 500_000_000
FINISH_S = 20.0
DEMO_PHASE = "ntp-on"


def measure(bench: Bench) -> Iterator[Outcome]:
    """Figures in seconds, and in microseconds."""
    found: dict[str, list[float]] = {name: [] for name in ABOUT}
    plan = plan_of(SERVERS, "timestamp-order", ntp_running=False)
    samples = ClockSamples()
    with standing(bench.driver, plan, samples) as lab:
        buyers = Buyers(lab.driver, lab.name, lab.handle.clock.anchor_ns)
        if LOADED in bench.wanted:
            buyers.start({})
            buyers.wait_ready()
        rounds = Rounds(lab, samples, bench, buyers)
        for number in range(RUNS):
            for name, value in rounds.run(number):
                found[name].append(value)
                bench.tell(name, f"{value:.1f} {LIMITS[name][1]}")
    for name, values in found.items():
        if values:
            limit, unit = LIMITS[name]
            yield against_limit(name, values, limit, unit)


class Rounds:
    """Each round sets the clocks wrong, switches NTP on and watches. `buyers` are ready if the
    figure under load is wanted."""

    def __init__(self, lab: Lab, samples: ClockSamples, bench: Bench, buyers: Buyers) -> None:
        self.lab, self.samples, self.bench, self.buyers = lab, samples, bench, buyers
        self.servers = [server.name for server in lab.plan.servers]

    def run(self, number: int) -> Iterator[tuple[str, float]]:
        """Name and value of each figure that is wanted. Raises `LabError` if NTP fails."""
        self.switch("off")
        self.set_clocks(wrong_clocks(self.servers, number))
        switched_ns = self.lab.now_ns()
        self.switch("on")
        settled_ns = self.settle(switched_ns)
        self.wait_until(settled_ns + HOLD_NS)
        if STEADY in self.bench.wanted:
            yield STEADY, self.window()
        if LOADED in self.bench.wanted:
            yield LOADED, self.loaded_window(number)
        # At the end, because only then it is known what was for good.
        seconds = self.seconds_until_within(switched_ns)
        if seconds is None:
            raise LabError("a clock left its limit again after NTP had put it right")
        yield CONVERGENCE, seconds

    def switch(self, state: str) -> None:
        each(self.servers, lambda node: switch_ntp(self.lab.handle, node, state, "daemon"))

    def set_clocks(self, settings: list[ClockSetting]) -> None:
        reset_clocks(self.lab.handle, self.servers)

        def one(setting: ClockSetting) -> None:
            bend(self.lab.handle, setting.node, "set", setting.offset_ns)
            bend(self.lab.handle, setting.node, "drift", setting.drift_ppm)

        each(settings, one)

    def seconds_until_within(self, switched_ns: int) -> float | None:
        clocks = self.samples.window(self.servers, switched_ns).values()
        return seconds_until_within(clocks, switched_ns, WITHIN_NS)

    def settle(self, switched_ns: int) -> int:
        """Wait until every clock has been within the limit for a while; since when, lab time."""
        deadline = time.monotonic() + SETTLING_S_MAX
        while time.monotonic() < deadline:
            self.watch()
            seconds = self.seconds_until_within(switched_ns)
            if seconds is not None:
                within_ns = switched_ns + round(seconds * NS_PER_S)
                if self.lab.now_ns() - within_ns >= NS_PER_S:
                    return within_ns
        raise LabError(f"not every clock was right {SETTLING_S_MAX:g} s after NTP was switched on")

    def window(self) -> float:
        """Worst p99 in microseconds over the next `WINDOW_NS`."""
        start_ns = self.lab.now_ns()
        self.wait_until(start_ns + WINDOW_NS)
        clocks = self.samples.window(self.servers, start_ns, start_ns + WINDOW_NS)
        return worst_p99_us(clocks.values())

    def loaded_window(self, number: int) -> float:
        """The same while the demo's buyers buy."""
        phase = replace(demo_phase(), name=f"loaded-{number}")
        start_ns = self.lab.now_ns() + LEAD_NS
        feed = self.buyers.play(phase, self.lab.plan, start_ns, lambda _table, _rows: None)
        self.wait_until(start_ns)
        worst_us = self.window()
        deadline = time.monotonic() + FINISH_S
        while not feed.done:
            self.watch()
            self.buyers.check()
            if time.monotonic() > deadline:
                raise NodeError("the buyers did not finish")
        return worst_us

    def wait_until(self, lab_ns: int) -> None:
        while self.lab.now_ns() < lab_ns:
            self.watch()

    def watch(self) -> None:
        """Wait a moment; a node that died ends the benchmark."""
        time.sleep(0.25)
        if dead := self.lab.check_alive():
            raise dead[0]


def wrong_clocks(servers: list[str], number: int) -> list[ClockSetting]:
    """Round `number`'s clocks: the first two are the worst there may be, the others drawn."""
    rng = random.Random(f"bench/clocks/{number}")
    drawn = [
        (rng.randint(-OFFSET_NS_MAX, OFFSET_NS_MAX), rng.uniform(-DRIFT_PPM_MAX, DRIFT_PPM_MAX))
        for _ in servers[2:]
    ]
    worst = [(-OFFSET_NS_MAX, -DRIFT_PPM_MAX), (OFFSET_NS_MAX, DRIFT_PPM_MAX)]
    return [
        ClockSetting(node, offset_ns, drift_ppm)
        for node, (offset_ns, drift_ppm) in zip(servers, worst + drawn, strict=True)
    ]


def demo_phase() -> PhasePlan:
    """The demo's phase with NTP on, as long as our window."""
    duration = f"phases.{DEMO_PHASE}.duration={WINDOW_NS // NS_PER_S}s"
    return make_plan(load_scenario(HEADLINE_SCENARIO, [duration])).phase(DEMO_PHASE)
