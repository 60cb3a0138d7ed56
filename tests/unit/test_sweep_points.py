"""What a sweep block means: its points, and what is said of one that is wrong."""

from __future__ import annotations

import itertools
import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ntplab.analysis import check_expectation, check_sweep_expectation
from ntplab.errors import ScenarioError
from ntplab.scenario import Checks, Experiment, axes_of, parse_experiment, point_words
from ntplab.sweep import plan_points

BASE: dict[str, Any] = {
    "name": "s",
    "policy": {"name": "timestamp-order"},
    "servers": [{"name": "paris"}, {"name": "lyon"}],
    "load": [{"pattern": "races", "rate": "5/s", "gap": ["0s", "1s"]}],
    "phases": [{"name": "load", "duration": "4s", "ntp": "off"}],
}
CHECKS = Checks(check_expectation, check_sweep_expectation)
SKEW = {"name": "skew", "key": "servers.lyon.clock.offset", "values": ["0s", "1s"]}
WAIT = {"name": "wait", "key": "policy.stability", "values": ["100ms", "200ms", "300ms"]}


def parse(sweep: Any, overrides: tuple[str, ...] = ()) -> Experiment:
    return parse_experiment(json.dumps({**BASE, "sweep": sweep}), "s.yaml", overrides, CHECKS)


def problems(sweep: Any, *overrides: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse(sweep, overrides)
    return [f"{p} ({p.hint})" if p.hint else str(p) for p in caught.value.problems]


def test_a_grid_is_every_combination_the_last_axis_fastest() -> None:
    points = parse({"grid": [SKEW, WAIT]}).points
    assert [point.number for point in points] == [1, 2, 3, 4, 5, 6]
    assert [tuple(p.settings.values()) for p in points[:4]] == [
        ("0s", "100ms"), ("0s", "200ms"), ("0s", "300ms"), ("1s", "100ms"),
    ]  # fmt: skip
    assert points[3].scenario.servers[1].clock.offset == 1_000_000_000
    assert points[3].scenario.policy.stability == 100_000_000  # type: ignore[union-attr]
    assert all(point.scenario.sweep is None for point in points)


def test_listed_points_set_what_they_say_and_nothing_else() -> None:
    listed = [{"policy": "unique"}, {"phases.load.duration": "2s", "seed": 7}]
    one, two = parse({"points": listed}).points
    assert (one.scenario.policy.name, two.scenario.policy.name) == ("unique", "timestamp-order")
    assert (one.scenario.seed, two.scenario.seed) == (1, 7)
    assert two.scenario.phases[0].duration == 2_000_000_000


def test_one_value_for_several_keys() -> None:
    both = {"name": "s", "key": ["servers.lyon.clock.offset", "servers.paris.clock.offset"],
            "values": ["3s"]}  # fmt: skip
    (point,) = parse({"grid": [both]}).points
    assert [s.clock.offset for s in point.scenario.servers] == [3_000_000_000] * 2


def test_the_grid_can_be_changed_from_outside() -> None:
    points = parse({"grid": [SKEW]}, ("sweep.grid.skew.values=[5s]",)).points
    assert [point.settings for point in points] == [{"skew": "5s"}]


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.lists(st.integers(1, 50), min_size=1, max_size=4, unique=True), min_size=1, max_size=3
    )
)
def test_any_grid_has_every_combination_once_and_axes_say_which(values: list[list[int]]) -> None:
    keys = ["servers.lyon.clock.offset", "policy.stability", "request_timeout"]
    grid = [
        {"name": f"axis-{i}", "key": key, "values": [f"{v}ms" for v in column]}
        for i, (key, column) in enumerate(zip(keys, values, strict=False))
    ]
    points = parse({"grid": grid}).points
    assert len(points) == math.prod(map(len, values))
    assert len({point_words(point.settings) for point in points}) == len(points)
    assert axes_of([p.settings for p in points]) == {a["name"]: a["values"] for a in grid}


def test_no_seat_is_used_at_two_points_and_arrivals_stay_those_of_the_seed() -> None:
    planned = plan_points(parse({"grid": [SKEW, WAIT]}).points)
    ranges = [
        (p.plan.phases[0].load[0].first_seat, p.plan.phases[0].load[0].seats) for p in planned
    ]
    for (first, seats), (following, _) in itertools.pairwise(ranges):
        assert first + seats <= following
    assert len({p.plan.phases[0].seed for p in planned}) == 1


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ({"grid": []}, "sweep: an empty sweep has no points"),
        ({}, "sweep: an empty sweep has no points"),
        ({"grid": [{**SKEW, "values": []}]}, "sweep.grid.skew.values: needs at least 1, has 0"),
        ({"grid": [SKEW], "points": [{"seed": 1}]}, "sweep: either grid or points, not both"),
        ({"grid": [{**SKEW, "key": "servers.lyon.clok.offset"}]},
         "servers.lyon.clok: unknown key (did you mean 'clock'?; at skew=0s)"),
        ({"grid": [{**SKEW, "key": "servers.nice.clock.offset"}]},
         "nothing in servers is called 'nice'; there is paris, lyon (at skew=0s)"),
        ({"grid": [{**SKEW, "key": "severs"}]}, "severs: unknown key (did you mean 'servers'?"),
        ({"grid": [{**SKEW, "key": "name"}]}, "'name' is the same at every point of a sweep"),
        ({"grid": [{**SKEW, "values": ["0s", 5]}]},
         "servers.lyon.clock.offset: '5' has no unit: write 5s or 5ms (at skew=5)"),
        ({"grid": [{**SKEW, "values": ["0s", "0s"]}]}, "'0s' is given twice"),
        ({"grid": [{"name": "seed", "key": "seed", "values": [1.5]}]},
         "seed: expected a whole number, not '1.5' (at seed=1.5)"),
        ({"grid": [SKEW, SKEW]}, "'skew' is already the name of an axis"),
        ({"grid": [SKEW, {**SKEW, "name": "two"}]}, "is already set by axis 'skew'"),
        ({"grid": [SKEW], "expect": ["points[skw=0s].phases.load.bookings.receipts > 0"]},
         "no axis is called `skw`; did you mean `skew`?"),
        ({"grid": [SKEW], "expect": ["points.phases.load.bookings.double_bokings == 0"]},
         "nearest: double_bookings"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_with_its_place(sweep: Any, said: str) -> None:
    told = problems(sweep)
    assert any(said in problem for problem in told), told
    assert all(problem.startswith("s.yaml:") for problem in told)
    assert len(told) == len(set(told)), "the same problem at several points is told once"


def test_a_value_that_is_wrong_is_told_at_its_own_line() -> None:
    text = json.dumps(BASE)[:-1] + ',\n"sweep": {"grid": [\n{"name": "skew", "key": "seed",\n'
    text += '"values": [\n1,\n"two"]}]}}'
    with pytest.raises(ScenarioError) as caught:
        parse_experiment(text, "s.yaml", (), CHECKS)
    assert [(p.line, p.where) for p in caught.value.problems] == [(6, "seed")]
