"""What the orchestrator writes for observer and buyers is what they accept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from buyers.arrivals import draw_arrivals
from buyers.load import parse_load
from buyers.seats import seat_name
from ntplab.plan import load_json
from ntplab.planner import make_plan
from ntplab.scenario import load_scenario
from ntplab.topology import observer_config
from observer.config import parse_config

REPOSITORY = Path(__file__).resolve().parents[2]
SCENARIOS = [
    *sorted((REPOSITORY / "playbooks/scenarios").glob("*.yaml")),
    REPOSITORY / "tests/golden/plan/everything.yaml",
]

scenarios = pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)


@scenarios
def test_the_buyers_accept_every_load_and_keep_to_its_seats(path: Path) -> None:
    plan = make_plan(load_scenario(path))
    for phase in plan.phases:
        if not phase.load:
            continue
        load = parse_load(json.dumps(load_json(phase, plan, start_lab_ns=1)))
        planned = {
            seat_name(pattern.first_seat + number)
            for pattern in phase.load
            for number in range(pattern.seats)
        }
        assert {arrival.seat for arrival in draw_arrivals(load)} <= planned


@scenarios
def test_the_observer_accepts_its_configuration(path: Path) -> None:
    plan = make_plan(load_scenario(path))
    config = parse_config(json.dumps(observer_config(plan)))
    assert [node.name for node in config.nodes] == list(plan.clocks)
