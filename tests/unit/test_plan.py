"""Scenario to plan: everything resolved, drawn from the seed, and apart where it must be."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buyers.arrivals import draw_arrivals
from buyers.load import parse_load
from buyers.seats import seat_name
from ntplab.errors import ScenarioError
from ntplab.plan import LoadPlan, Plan, load_json
from ntplab.planner import UPTIME_S_MAX, UPTIME_S_MIN, make_plan
from ntplab.scenario import parse_scenario
from ntplab.timeline import estimate_ns, timeline
from ntplab.units import NS_PER_S

TEXT = """\
name: small
policy: {name: timestamp-order, stability: 250ms}
time_servers: [{name: ntp1}]
servers:
  - {name: paris}
  - {name: lyon, clock: {offset: -5s, drift: -50ppm, uptime: 90500ms}}
  - {name: marseille}
load:
  - {pattern: races, rate: 6/s, gap: [0s, 2s]}
  - {pattern: hot-spot, rate: 4/s, seats: 500}
phases:
  - {name: one, duration: 12s, ntp: off, clocks: true}
  - {name: two, duration: 15s, ntp: on}
  - {name: three, duration: 3s}
"""


def plan(*settings: str) -> Plan:
    return make_plan(parse_scenario(TEXT, "x.yaml", settings))


def test_the_same_scenario_gives_the_same_plan() -> None:
    assert plan() == plan()


def test_a_plan_is_plain_data_without_loss() -> None:
    document = plan().to_json()
    assert json.loads(json.dumps(document)) == document
    assert document["servers"][1]["clock"]["offset_ns"] == -5 * NS_PER_S
    assert document["policy_params"] == {"stability_ns": 250_000_000}


@given(st.integers(min_value=0, max_value=2**53 - 1))
def test_uptimes_are_given_or_drawn_and_all_different(seed: int) -> None:
    clocks = plan(f"seed={seed}").clocks
    uptimes_s = [clock.uptime_s for clock in clocks.values()]
    assert len(set(uptimes_s)) == len(uptimes_s) == 5
    assert clocks["lyon"].uptime_s == 90
    drawn = [clock.uptime_s for node, clock in clocks.items() if node != "lyon"]
    assert all(UPTIME_S_MIN <= uptime_s <= UPTIME_S_MAX for uptime_s in drawn)


def test_another_seed_gives_other_uptimes_and_arrivals() -> None:
    one, two = plan("seed=1"), plan("seed=2")
    assert one.clocks["paris"].uptime_s != two.clocks["paris"].uptime_s
    assert one.phases[0].seed != two.phases[0].seed


def test_a_node_keeps_its_uptime_when_others_are_added() -> None:
    more = plan("servers=[{name: nice}, {name: paris}, {name: lyon}]")
    assert more.clocks["paris"] == plan().clocks["paris"]


def test_seats_are_never_shared() -> None:
    loads = [load for phase in plan().phases for load in phase.load]
    seats = [range(load.first_seat, load.first_seat + load.seats) for load in loads]
    assert len({seat for block in seats for seat in block}) == sum(map(len, seats))
    assert min(block.start for block in seats) == 1


@pytest.mark.parametrize(("rate", "span_s"), [(6, 12), (1, 1), (1000, 100)])
def test_there_are_more_seats_than_races(rate: int, span_s: int) -> None:
    made = plan(f"load=[{{pattern: races, rate: {rate}/s, gap: [0s, 0s]}}]",
                f"phases.one.duration={span_s}s")  # fmt: skip
    seats = made.phases[0].load[0].seats
    # A Poisson count beyond mean + 7 sigma is less likely than a broken machine.
    assert seats > rate * span_s + 7 * (rate * span_s) ** 0.5


# --- NTP and clocks -----------------------------------------------------------------------


def test_daemons_wait_for_the_first_phase_to_start_them() -> None:
    for state in ("off", "on"):
        assert [s.ntp_at_start for s in plan(f"phases.one.ntp={state}").servers] == [False] * 3


@pytest.mark.parametrize("method", ["network", "sources"])
def test_other_methods_need_running_daemons(method: str) -> None:
    made = plan(f"phases.one.method={method}", f"phases.two.method={method}")
    assert all(server.ntp_at_start for server in made.servers)


def test_who_is_not_switched_at_first_begins_in_the_opposite_state() -> None:
    off = plan("phases.one.servers=[lyon]")
    assert {s.name: s.ntp_at_start for s in off.servers} == {
        "paris": True, "lyon": False, "marseille": True,
    }  # fmt: skip
    assert off.phases[0].steered == ("paris", "marseille")
    on = plan("phases.one.servers=[lyon]", "phases.one.ntp=on")
    assert on.phases[0].steered == ("lyon",)
    assert not any(server.ntp_at_start for server in on.servers)


def test_ntp_is_followed_through_the_phases() -> None:
    made = plan("phases.three.ntp=off", "phases.three.servers=[paris]")
    assert [phase.steered for phase in made.phases] == [
        (), ("paris", "lyon", "marseille"), ("lyon", "marseille"),
    ]  # fmt: skip
    assert [len(phase.switched) for phase in made.phases] == [3, 3, 1]


def test_the_database_is_steered_only_if_it_has_a_daemon() -> None:
    assert plan().database.sources == ()
    made = plan("database.ntp=true")
    assert made.database.sources == ("ntp1",)
    assert made.phases[0].switched == ("paris", "lyon", "marseille", "db")


def test_clocks_are_set_right_or_wrong_or_left() -> None:
    made = plan("phases.two.clocks=skewed")
    lyon = [[s for s in phase.set_clocks if s.node == "lyon"] for phase in made.phases]
    assert [(s.offset_ns, s.drift_ppm) for s in lyon[0]] == [(0, 0.0)]
    assert [(s.offset_ns, s.drift_ppm) for s in lyon[1]] == [(-5 * NS_PER_S, -50.0)]
    assert lyon[2] == []
    assert {s.node for s in made.phases[0].set_clocks} == set(made.clocks)


def test_the_first_phase_starts_skewed() -> None:
    assert plan("phases.one.clocks=keep").phases[0].clocks == "skewed"
    assert plan().phases[1].clocks == "keep"


def test_settling_belongs_to_switching_on() -> None:
    assert [phase.settle is not None for phase in plan().phases] == [False, True, False]
    assert plan("phases.two.settle=null").phases[1].settle is None


def test_sources_are_all_time_servers_or_those_named() -> None:
    two = "time_servers=[{name: ntp1}, {name: ntp2}]"
    made = plan(two, "servers.lyon.ntp.sources=[ntp2]", "servers.marseille.ntp.sources=[]")
    assert [server.sources for server in made.servers] == [("ntp1", "ntp2"), ("ntp2",), ()]


def test_without_makestep_nothing_steps() -> None:
    assert plan("ntp.makestep=null").ntp.makestep_threshold_ns is None


# --- faults and load ----------------------------------------------------------------------


def test_faults_come_by_time_with_the_value_of_their_kind() -> None:
    faults = (
        plan(
            "phases.one.faults=[{at: 3s, server: lyon, kind: exec, value: uptime},"
            " {at: 1s, server: db, kind: step, value: -1s},"
            " {at: 2s, server: ntp1, kind: drift, value: 7ppm}]"
        )
        .phases[0]
        .faults
    )
    assert [(f.kind, f.by_ns, f.drift_ppm, f.argv) for f in faults] == [
        ("step", -NS_PER_S, None, None),
        ("drift", None, 7.0, None),
        ("exec", None, None, ("sh", "-c", "uptime")),
    ]


def test_load_json_is_what_the_buyers_take() -> None:
    made = plan()
    document = load_json(made.phases[0], made, start_lab_ns=123)
    load = parse_load(json.dumps(document))
    assert load.phase == "one"
    assert load.start_lab_ns == 123
    assert load.duration_ns == 12 * NS_PER_S
    assert load.timeout_ns == 5 * NS_PER_S
    assert load.servers["lyon"] == "http://lyon:8000"
    assert load.policy_holds is False
    assert [pattern.first_seat for pattern in load.patterns] == [
        item.first_seat for item in made.phases[0].load
    ]


def test_the_buyers_never_run_out_of_the_seats_they_were_given() -> None:
    made = plan()
    for phase in made.phases:
        arrivals = draw_arrivals(parse_load(json.dumps(load_json(phase, made, 0))))
        given_seats = {seat_name(seat) for load in phase.load for seat in _seats(load)}
        assert arrivals
        assert {arrival.seat for arrival in arrivals} <= given_seats


def _seats(load: LoadPlan) -> range:
    return range(load.first_seat, load.first_seat + load.seats)


def test_only_a_policy_that_holds_is_confirmed() -> None:
    held = plan("policy=lease")
    assert load_json(held.phases[0], held, 0)["policy_holds"] is True
    assert held.policy_params == {"ttl_ns": 2 * NS_PER_S}
    assert plan("policy=unique").policy_params == {}


def test_a_phase_by_name() -> None:
    assert plan().phase("two").duration_ns == 15 * NS_PER_S
    with pytest.raises(KeyError):
        plan().phase("four")


# --- timeline -----------------------------------------------------------------------------


def test_the_timeline_tells_each_phase_in_order() -> None:
    actions = timeline(plan())
    assert [a.phase for a in actions] == sorted(
        (a.phase for a in actions), key=["one", "two", "three"].index
    )
    two = [(a.action, a.at_ns) for a in actions if a.phase == "two"]
    assert two == [
        ("ntp on", 0), ("settle", 0), ("load", 0), ("load", 0), ("end", 15 * NS_PER_S),
    ]  # fmt: skip


def test_the_estimate_covers_the_phases() -> None:
    assert estimate_ns(plan()) > 30 * NS_PER_S
    longer = estimate_ns(plan("phases.one.duration=1h"))
    assert longer - estimate_ns(plan()) == (3600 - 12) * NS_PER_S


def test_trials_are_phases_of_their_own_with_arrivals_and_seats_of_their_own() -> None:
    made = plan("phases.two.trials=3")
    assert [phase.name for phase in made.phases] == ["one", "two.1", "two.2", "two.3", "three"]
    trials = made.phases[1:4]
    assert {(phase.trial_of, phase.ntp, phase.steered) for phase in trials} == {
        ("two", "on", ("paris", "lyon", "marseille"))
    }
    assert [phase.trial for phase in trials] == [1, 2, 3]
    assert len({phase.seed for phase in made.phases}) == 5
    seats = [seat for phase in made.phases for load in phase.load
             for seat in range(load.first_seat, load.first_seat + load.seats)]  # fmt: skip
    assert len(seats) == len(set(seats))
    assert plan("phases.two.trials=1") == plan()
    assert plan("phases.two.trials=3") == made
    assert plan("phases.two.trials=3", "seed=2").phases[2].seed != trials[1].seed


@pytest.mark.parametrize(
    ("faults", "changes", "said"),
    [
        ("{at: 1s, server: lyon, kind: kill}", [], "stays dead"),
        ("{at: 1s, server: lyon, kind: ntp-off}", ["phases.two.ntp=keep"], "switches it back"),
        ("{at: 1s, server: lyon, kind: step, value: 1s}", [], "no trial sets it back"),
    ],
)
def test_trials_that_could_not_begin_alike_are_refused(
    faults: str, changes: list[str], said: str
) -> None:
    settings = ["phases.two.trials=2", f"phases.two.faults=[{faults}]", *changes]
    with pytest.raises(ScenarioError, match=said):
        plan(*settings)
    assert plan(*settings[1:]).phases[1].faults


def test_clocks_are_set_only_while_no_daemon_steers_them() -> None:
    """A daemon that is on would put a clock right between setting it and asking for its date."""
    made = plan("phases.two.clocks=skewed")
    assert [phase.begins_off for phase in made.phases] == [True, True, False]
    assert [phase.begins_off for phase in plan().phases] == [True, False, False]
    switches = [a.action for a in timeline(made) if a.phase == "two" and a.action.startswith("ntp")]
    assert switches == ["ntp off", "ntp on"]
