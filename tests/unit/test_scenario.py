"""A scenario file in, a `Scenario` or every problem at once out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.analysis.expectations import check_expectation
from ntplab.errors import ExitCode, Problem, ScenarioError
from ntplab.scenario import Scenario, as_plain, load_scenario, parse_scenario
from ntplab.units import NS_PER_S

SCENARIOS = Path(__file__).resolve().parents[2] / "playbooks" / "scenarios"

SMALL = """\
name: small
policy: unique
time_servers: [{name: ntp1}]
servers:
  - {name: paris}
  - {name: lyon}
phases:
  - {name: one, duration: 5s, ntp: off}
"""


def parse(*settings: str, text: str = SMALL) -> Scenario:
    return parse_scenario(text, "x.yaml", settings)


def problems(*settings: str, text: str = SMALL) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        parse(*settings, text=text)
    return [str(problem) for problem in caught.value.problems]


def test_a_small_scenario() -> None:
    scenario = parse()
    assert scenario.seed == 1
    assert scenario.servers[1].clock.offset == 0
    assert scenario.phases[0].duration == 5 * NS_PER_S


@pytest.mark.parametrize("value", ["off", "false", "'off'"])
def test_ntp_off_in_both_spellings(value: str) -> None:
    assert parse(f"phases.one.ntp={value}").phases[0].ntp == "off"


@pytest.mark.parametrize("value", ["on", "true"])
def test_ntp_on_in_both_spellings(value: str) -> None:
    assert parse(f"phases.one.ntp={value}").phases[0].ntp == "on"


@pytest.mark.parametrize("value", ["true", "'true'"])
def test_true_clocks_in_both_spellings(value: str) -> None:
    assert parse(f"phases.one.clocks={value}").phases[0].clocks == "true"


def test_a_policy_by_name_alone_or_with_parameters() -> None:
    assert as_plain(parse("policy=lease"))["policy"] == {"name": "lease", "ttl": 2 * NS_PER_S}
    scenario = parse("policy={name: timestamp-order, stability: 10ms}")
    assert as_plain(scenario)["policy"] == {"name": "timestamp-order", "stability": 10_000_000}


def test_no_load_is_not_the_same_as_no_load_key() -> None:
    load = "load=[{pattern: races, rate: 1/s}]"
    assert parse(load).phases[0].load is None
    assert parse(load, "phases.one.load=null").phases[0].load == ()


def test_nothing_changes_after_loading() -> None:
    with pytest.raises(ValueError, match="frozen"):
        parse().seed = 2  # type: ignore[misc]


def test_all_errors_come_at_once_with_exit_code_3() -> None:
    text = SMALL.replace("policy: unique", "polcy: unique").replace("{name: lyon}", "{name: paris}")
    with pytest.raises(ScenarioError) as caught:
        parse("servers.0.clock.offset=5", "phases.one.duration=5", text=text)
    assert caught.value.exit_code == ExitCode.INVALID_SCENARIO
    assert [str(p) for p in caught.value.problems] == [
        "--set servers.0.clock.offset=5: servers.paris.clock.offset: "
        "'5' has no unit: write 5s or 5ms",
        "--set phases.one.duration=5: phases.one.duration: '5' has no unit: write 5s or 5ms",
        "x.yaml:1: policy: is missing",
        "x.yaml:2: polcy: unknown key",
        "x.yaml:6: servers.paris.name: 'paris' is already the name on line 5",
    ]


def test_checks_across_keys_run_although_a_key_is_broken() -> None:
    found = problems("servers.lyon.clock.offset=5", "servers.lyon.ntp.sources=[ntp2]")
    assert found == [
        "--set servers.lyon.clock.offset=5: servers.lyon.clock.offset: "
        "'5' has no unit: write 5s or 5ms",
        "--set servers.lyon.ntp.sources=[ntp2]: servers.lyon.ntp.sources.0: "
        "there is no time server 'ntp2'",
    ]


def test_expectations_are_checked_by_the_caller_s_function() -> None:
    asked: list[Any] = []

    def check(text: str, phases: Any, servers: Any) -> str | None:
        asked.append((text, tuple(phases), tuple(servers)))
        return "no such field" if "typo" in text else None

    text = SMALL + "expect:\n  - good > 0\n  - typo > 0\n"
    with pytest.raises(ScenarioError) as caught:
        parse_scenario(text, "x.yaml", (), check)
    assert [str(p) for p in caught.value.problems] == ["x.yaml:11: expect: typo > 0: no such field"]
    assert asked[0] == ("good > 0", ("one",), ("paris", "lyon"))


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("phases.one.ntp=keep", "the first phase has no NTP state to keep: "
                                "write ntp: on or ntp: off"),
        ("time_servers.ntp1.name=paris", "'paris' is already the name on line 5"),
        ("time_servers.ntp1.name=db", "'db' is the name of one of the lab's own nodes"),
        ("servers.lyon.name=buyers", "'buyers' is the name of one of the lab's own nodes"),
        ("system=tram", "must be one of concert, train, not 'tram'"),
        ("seed=-1", "must be at least 0, not '-1'"),
        ("seed=1.5", "expected a whole number, not '1.5'"),
        ("phases.one.duration=25h", "must be from 100ms to 1d, not 25h"),
        ("servers.lyon.clock.drift=50", "'50' has no unit: write 50ppm"),
        ("servers.lyon.clock=3", "expected keys with values, not '3'"),
        ("phases.one.servers=[nice]", "there is no server 'nice' whose NTP could be switched"),
        ("phases.one.servers=[db]", "there is no server 'db' whose NTP could be switched"),
        ("load=[{pattern: races, rate: 20000/s}]", "must be from 0.001/s to 10000/s, not 20000/s"),
        ("load=[{pattern: races, rate: 1/s, gap: [2s, 1s]}]", "the first duration is the longer "
                                                              "one"),
        ("load=[{pattern: races, rate: 1/s, gap: [0s, 5s]}]", "5s does not fit into a phase of 5s"),
        ("load=[{pattern: hot-spot, rate: 1/s, seats: 5}]", "more hot seats (20) than seats (5)"),
        ("load=[{pattern: hot-spot, rate: 1/s, seats: 20}]", "must be 1 when every seat is hot"),
        ("ntp.minpoll=3", "must be at least minpoll (3), not '0'"),
        ("ntp.options=['a\\nb']", "must be exactly one line of text"),
        ("phases.one.faults=[{at: 5s, server: lyon, kind: freeze}]", "5s is not within the phase "
                                                                     "of 5s"),
        ("phases.one.faults=[{at: 1s, server: nice, kind: freeze}]", "there is no node 'nice'"),
        ("phases.one.faults=[{at: 1s, server: ntp1, kind: ntp-off}]", "'ntp1' has no NTP that "
                                                                      "could be switched"),
        ("phases.one.faults=[{at: 1s, server: lyon, kind: date, value: noon}]",
         "'noon' is not a date: write one like 2023-10-01 12:00:00 (UTC)"),
        ("phases.one.faults=[{at: 1s, server: lyon, kind: date, value: '9999-10-01 12:00:00'}]",
         "the year must be from 1971 to 2200, not 9999"),
    ],
)  # fmt: skip
def test_what_does_not_fit_together(setting: str, what: str) -> None:
    # A YAML double-quoted text, so that \n is one character of it.
    setting = setting.replace("'a\\nb'", '"a\\nb"')
    found = problems(setting)
    assert len(found) == 1
    assert found[0].endswith(f": {what}")


def test_one_server_cannot_race() -> None:
    text = SMALL.replace("  - {name: lyon}\n", "load: [{pattern: races, rate: 1/s}]\n")
    assert problems(text=text) == ["x.yaml:6: load.0: a race needs two servers, there is one"]


def test_ntp_cannot_be_on_without_time_servers() -> None:
    assert problems("time_servers=[]", "phases.one.ntp=on") == [
        "--set phases.one.ntp=on: phases.one.ntp: NTP cannot be on: there are no time_servers"
    ]


def test_a_port_used_twice() -> None:
    assert problems("servers.paris.port=8080", "servers.lyon.port=8080") == [
        "--set servers.lyon.port=8080: servers.lyon.port: port 8080 is already published by 'paris'"
    ]


def test_at_most_fifty_servers() -> None:
    many = ", ".join(f"{{name: s{number}}}" for number in range(51))
    assert problems(f"servers=[{many}]")[0].endswith("servers: at most 50 are allowed, not 51")


@pytest.mark.parametrize(
    ("phases", "what"),
    [
        ("[{name: a, duration: 5s, ntp: off}, {name: b, duration: 5s, ntp: on, method: network}]",
         "NTP of paris stays off: it was switched off by daemon, not by network"),
        ("[{name: a, duration: 5s, ntp: on, faults: ["
         "{at: 1s, server: paris, kind: ntp-off, value: sources},"
         "{at: 2s, server: paris, kind: ntp-on}]}]",
         "NTP of paris stays off: it was switched off by sources, not by daemon"),
    ],
)  # fmt: skip
def test_ntp_is_switched_on_the_way_it_was_switched_off(phases: str, what: str) -> None:
    assert problems(f"phases={phases}")[0].endswith(what)


def test_switching_off_and_on_in_the_same_way_is_fine() -> None:
    parse(
        "phases=[{name: a, duration: 5s, ntp: off, method: sources},"
        " {name: b, duration: 5s, ntp: on, method: sources, faults: ["
        "{at: 2s, server: lyon, kind: ntp-on}, {at: 1s, server: lyon, kind: ntp-off}]}]"
    )


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="cannot be read: No such file or directory"):
        load_scenario(tmp_path / "none.yaml")


def test_a_file_that_is_not_text(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match="is not UTF-8 text"):
        load_scenario(tmp_path / "x.yaml")


@pytest.mark.parametrize("text", ["", "[]", "just words", "5"])
def test_a_file_that_is_no_mapping(text: str) -> None:
    assert problems(text=text) == ["x.yaml:1: a scenario is a file of keys and values"]


leaf = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
junk = st.recursive(
    leaf,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["name", "kind", "pattern", "clock", "at", "x"]), inner)
    ),
    max_leaves=8,
)
PATHS = [
    "name", "policy", "policy.name", "servers", "servers.paris", "servers.paris.clock",
    "servers.paris.clock.offset", "servers.paris.ntp.sources", "servers.lyon.port",
    "time_servers", "database", "ntp.makestep", "load", "phases", "phases.one",
    "phases.one.duration", "phases.one.faults", "phases.one.load", "expect", "sampling",
]  # fmt: skip


@given(st.sampled_from(PATHS), junk)
def test_junk_anywhere_is_a_scenario_or_a_list_of_problems(path: str, value: object) -> None:
    """With json.dumps as the writer: lone surrogates and line breaks are in it."""
    found: tuple[Problem, ...] = ()
    try:
        parse(f"{path}={json.dumps(value)}")
    except ScenarioError as error:
        found = error.problems or (Problem("", 0, "", ""),)
    assert all(problem.what and "\n" not in str(problem) for problem in found)


def test_there_are_scenarios_that_ship() -> None:
    names = {path.stem for path in SCENARIOS.glob("*.yaml")}
    assert {"concert", "unique", "lease", "founding"} <= names


@pytest.mark.parametrize("path", sorted(SCENARIOS.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_shipped_scenario_is_valid_and_named_after_its_file(path: Path) -> None:
    assert load_scenario(path, (), check_expectation).name == path.stem
    assert path.read_text().startswith("# yaml-language-server: $schema=schema.json\n")


def test_the_headline_is_the_issue_s() -> None:
    scenario = load_scenario(SCENARIOS / "concert.yaml")
    assert len(scenario.servers) >= 3
    assert min(server.clock.offset for server in scenario.servers) == -5 * NS_PER_S
    assert any(s.clock.offset > 0 and s.clock.drift > 0 for s in scenario.servers)
    assert [p.name for p in scenario.phases] == ["control", "ntp-off", "ntp-on"]


def test_no_skew_at_all_by_settings_alone() -> None:
    settings = [
        f"servers.{name}.clock.{key}=0"
        for name in ("lyon", "marseille")
        for key in ("offset", "drift")
    ]
    scenario = load_scenario(SCENARIOS / "concert.yaml", settings)
    assert {(s.clock.offset, s.clock.drift) for s in scenario.servers} == {(0, 0.0)}
