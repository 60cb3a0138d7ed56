"""From a scenario's wander, temperature and strobe to what the observer is asked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.collect.samples import ObserverFeed
from ntplab.driver.base import ExecResult
from ntplab.driver.fake import FakeDriver
from ntplab.errors import ScenarioError
from ntplab.events import Event
from ntplab.faults import LabHandle, let_temperature, let_wander, make_steady, strike
from ntplab.labtime import LabClock
from ntplab.oscillator import (
    OscillatorPlan,
    StrobePlan,
    TemperaturePlan,
    WanderPlan,
    models_in_words,
)
from ntplab.oscillator_planner import SEED_BITS, oscillator_seed
from ntplab.plan import FaultPlan, Plan
from ntplab.planner import make_plan
from ntplab.scenario import parse_scenario
from ntplab.timeline import timeline
from ntplab.topology import NodeSpec, observer_config
from ntplab.units import NS_PER_S
from observer.config import parse_config
from observer.oscillator import Temperature, Wander

TEXT = """\
name: small
seed: 9
policy: unique
time_servers: [{name: ntp1, clock: {wander: {per_second: 0.01ppm}}}]
servers:
  - name: paris
  - name: lyon
    clock:
      drift: 5ppm
      wander: {per_second: 0.5ppm}
      temperature: {amplitude: 2ppm, period: 10m, phase: 150s}
  - {name: oslo, clock: {wander: {per_second: 1ppm, seed: 77}}}
phases:
  - name: one
    duration: 12s
    ntp: off
    faults:
      - {at: 1s, server: paris, kind: wander, value: 3ppm, seed: 4}
      - {at: 2s, server: paris, kind: wander, value: 3ppm}
      - {at: 3s, server: ntp1, kind: temperature, value: 1ppm, period: 60s}
      - {at: 4s, server: lyon, kind: strobe, value: -200ms, period: 2s, lasts: 3s}
      - {at: 5s, server: lyon, kind: steady}
  - {name: two, duration: 1s, clocks: true}
  - {name: three, duration: 1s, clocks: skewed}
"""
LAB = "t"
LYON = OscillatorPlan(
    WanderPlan(0.5, oscillator_seed(9, "lyon")),
    TemperaturePlan(2.0, 600 * NS_PER_S, 150 * NS_PER_S),
)


def plan(text: str = TEXT) -> Plan:
    return make_plan(parse_scenario(text, "x.yaml", ()))


def test_every_node_has_a_seed_of_its_own_unless_the_file_names_one() -> None:
    clocks = plan().clocks
    assert clocks["lyon"].oscillator == LYON
    assert clocks["oslo"].oscillator.wander == WanderPlan(1.0, 77)
    assert clocks["paris"].oscillator == OscillatorPlan()
    assert len({clock.seed for clock in clocks.values()}) == len(clocks)


@given(st.integers(0, 2**53 - 1), st.text("abc", min_size=1))
def test_seeds_are_drawn_from_the_scenario_s_and_the_name(seed: int, name: str) -> None:
    assert oscillator_seed(seed, name) == oscillator_seed(seed, name)
    assert 0 <= oscillator_seed(seed, name) < 2**SEED_BITS
    assert oscillator_seed(seed, name) != oscillator_seed(seed, f"{name}x")


def test_phases_that_set_the_clocks_begin_with_the_same_oscillators() -> None:
    one, two, three = ({s.node: s.oscillator for s in phase.set_clocks} for phase in plan().phases)
    assert one == three
    assert one["lyon"] == LYON
    assert set(two.values()) == {OscillatorPlan()}


def test_the_observer_reads_what_the_plan_says() -> None:
    config = parse_config(json.dumps(observer_config(plan())))
    lyon, paris = (next(n for n in config.nodes if n.name == name) for name in ("lyon", "paris"))
    assert (lyon.seed, lyon.drift_ppm) == (oscillator_seed(9, "lyon"), 5.0)
    assert lyon.wander == Wander(0.5, lyon.seed, 0)
    assert lyon.temperature == Temperature(2.0, 600 * NS_PER_S, 150 * NS_PER_S, 0)
    assert (paris.wander, paris.temperature) == (None, None)


def test_the_timeline_says_what_the_oscillators_do() -> None:
    values = {(a.action, a.target, a.at_ns // NS_PER_S): a.value for a in timeline(plan())}
    words = "0s 5ppm, wander 0.5ppm/√s, temperature ±2ppm/10m"
    assert values["set clock", "lyon", 0] == words
    assert values["wander", "paris", 1] == "3ppm/√s"
    assert values["temperature", "ntp1", 3] == "±1ppm/1m"
    assert values["strobe", "lyon", 4] == "-200ms/2s for 3s"
    assert values["steady", "lyon", 5] == ""


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("per_second: 0.5ppm", "per_second: -1ppm", "must be from 0ppm to 100000ppm, not -1ppm"),
        ("per_second: 0.5ppm", "per_second: 5", "has no unit: write 5ppm"),
        ("period: 10m", "period: 10ms", "must be from 1s to 366d, not 10ms"),
        ("period: 2s", "period: 2ms", "must be from 20ms to 1d, not 2ms"),
        ("{per_second: 1ppm,", "{", "is missing"),
    ],
)
def test_what_is_wrong_is_said(old: str, new: str, words: str) -> None:
    with pytest.raises(ScenarioError, match=r"x\.yaml") as raised:
        plan(TEXT.replace(old, new))
    assert words in str(raised.value)


# --- asking the observer ------------------------------------------------------------------

MODELS = {
    "constant_ppm": 1.5,
    "wander": {"per_second_ppm": 0.5, "seed": 7, "since_lab_ns": 5},
    "temperature": {"amplitude_ppm": 2.0, "period_ns": 60 * NS_PER_S, "phase_ns": 0},
    "strobe": {"by_ns": -5, "period_ns": NS_PER_S, "since_lab_ns": 5, "until_lab_ns": 12},
}


@pytest.fixture
def driver() -> FakeDriver:
    fake = FakeDriver()
    fake.create(LAB, NodeSpec("observer", "observer", "i"), {}, {})
    fake.start(LAB, "observer")
    answer = {
        "lab_ns": 1,
        "divergence_ns": {"lyon": -5},
        "nodes": {"lyon": {"models": MODELS}},
    }
    fake.answer(["ntplab-observer"], ExecResult(0, json.dumps(answer), ""))
    return fake


@pytest.fixture
def lab(driver: FakeDriver) -> LabHandle:
    return LabHandle(driver, LAB, LabClock.anchored_now())


FAULTS = {
    "wander --ppm=3.0 --seed=4": FaultPlan(0, "lyon", "wander", wander=WanderPlan(3.0, 4)),
    "wander --ppm=3.0": FaultPlan(0, "lyon", "wander", wander=WanderPlan(3.0, None)),
    "temperature --ppm=2.0 --period-ns=60 --phase-ns=7": FaultPlan(
        0, "lyon", "temperature", temperature=TemperaturePlan(2.0, 60, 7)
    ),
    "strobe --by-ns=-5 --period-ns=60 --for-ns=7": FaultPlan(
        0, "lyon", "strobe", strobe=StrobePlan(-5, 60, 7)
    ),
    "strobe --by-ns=-5 --period-ns=60": FaultPlan(
        0, "lyon", "strobe", strobe=StrobePlan(-5, 60, None)
    ),
    "steady": FaultPlan(0, "lyon", "steady"),
}


@pytest.mark.parametrize("asked", FAULTS)
def test_a_fault_is_asked_of_the_observer_and_keeps_what_was_read_back(
    driver: FakeDriver, lab: LabHandle, asked: str
) -> None:
    struck = strike(lab, FAULTS[asked])
    name, *options = asked.split()
    assert driver.called("exec")[-1][2:] == ("ntplab-observer", name, "lyon", *options)
    assert (struck.divergence_ns, struck.oscillator) == (-5, MODELS)


def test_by_hand_the_same_is_asked(driver: FakeDriver, lab: LabHandle) -> None:
    let_wander(lab, "lyon", WanderPlan(0.0, None))
    let_temperature(lab, "lyon", TemperaturePlan(0.5, 10, 0))
    make_steady(lab, "lyon", ["wander", "strobe"])
    assert [call[3:] for call in driver.called("exec")] == [
        ("wander", "lyon", "--ppm=0.0"),
        ("temperature", "lyon", "--ppm=0.5", "--period-ns=10", "--phase-ns=0"),
        ("steady", "lyon", "--model=wander", "--model=strobe"),
    ]


def test_models_are_said_in_words() -> None:
    words = "wander 0.5ppm/√s, temperature ±2ppm/1m, strobe -5ns/1s for 7ns"
    assert models_in_words(MODELS) == words
    nothing: dict[str, Any] = dict.fromkeys(("wander", "temperature", "strobe"))
    assert models_in_words(nothing) == ""


def test_what_the_observer_says_of_oscillators_becomes_evidence() -> None:
    events: list[Event] = []
    feed = ObserverFeed(lambda *_: None, events.append)
    feed({"t": "oscillator", "lab_ns": 1, "node": "lyon", "models": MODELS})
    feed({"t": "oscillator.late", "lab_ns": 2, "node": "lyon", "steps": 3, "seconds": 0.3})
    feed({"t": "oscillator.trouble", "lab_ns": 3, "node": "lyon", "error": "no space"})
    assert [event.record() for event in events] == [
        {"lab_ns": 1, "event": "oscillator.asked", "node": "lyon", "models": MODELS},
        {"lab_ns": 2, "event": "oscillator.late", "node": "lyon", "steps": 3, "seconds": 0.3},
        {"lab_ns": 3, "event": "oscillator.trouble", "node": "lyon", "error": "no space"},
    ]
