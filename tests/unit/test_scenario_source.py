"""YAML with lines, and `--set`."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from ntplab.scenario.source import BYTES_MAX, Source, override, read

TEXT = """\
policy: unique
servers:
  - name: paris
  - name: lyon
    clock:
      offset: -5s
  - port: 1
phases: []
"""


def read_with(*settings: str) -> Source:
    source = read(TEXT, "x.yaml")
    override(source, settings)
    return source


def said(source: Source) -> list[str]:
    return [str(problem) for problem in source.problems]


def test_every_value_knows_its_line() -> None:
    source = read(TEXT, "x.yaml")
    lines = {source.where(path): origin.line for path, origin in source.origins.items()}
    assert lines["policy"] == 1
    assert lines["servers.paris"] == 3
    assert lines["servers.lyon.clock.offset"] == 6
    assert lines["servers.2.port"] == 7
    assert lines["phases"] == 8


def test_what_is_not_there_has_the_line_of_what_is_around_it() -> None:
    assert read(TEXT, "x.yaml").origin(("servers", 1, "clock", "drift")).line == 5


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("off", "off"),
        ("yes", "yes"),
        ("true", True),
        ("12:30", "12:30"),
        ("2023-10-01 12:00:00", "2023-10-01 12:00:00"),
        ("007", 7),
        ("1.5", 1.5),
        ("-2", -2),
        ("~", None),
        ("", None),
        ('"5"', "5"),
        ("0x10", "0x10"),
    ],
)
def test_only_the_scalars_of_yaml_1_2(text: str, value: object) -> None:
    data = read(f"key: {text}\n", "x.yaml").data["key"]
    assert data == value
    assert type(data) is type(value)


def test_a_key_given_twice() -> None:
    source = read("a:\n  b: 1\n  c: 2\n  b: 3\n", "x.yaml")
    assert said(source) == ["x.yaml:4: a: key 'b' is given twice, first on line 2"]
    assert source.data == {"a": {"b": 1, "c": 2}}


def test_aliases_are_refused_even_endless_ones() -> None:
    source = read("a: &x\n  b: *x\nc: &y {d: 1}\ne: *y\n", "x.yaml")
    assert said(source) == [
        "x.yaml:2: a.b: aliases are not supported, write it out",
        "x.yaml:4: e: aliases are not supported, write it out",
    ]


def test_a_bomb_of_aliases_stays_small() -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 20)]
    source = read("a0: &a0 [x]\n" + "\n".join(levels), "x.yaml")
    assert len(source.problems) == 9 * 19


@pytest.mark.parametrize("text", ["a: [1,\n", "a: b: c\n", "\t- a\n", "a: !!python/name:os\n", "%"])
def test_what_is_not_yaml_is_a_problem_with_a_line(text: str) -> None:
    source = read(text, "x.yaml")
    assert source.problems
    assert all(p.file == "x.yaml" and p.line >= 1 for p in source.problems)


def test_limits() -> None:
    assert said(read("a: " + "x" * BYTES_MAX, "x.yaml")) == [
        f"x.yaml:1: longer than {BYTES_MAX} characters"
    ]
    deep = read("a: " + "[" * 40 + "]" * 40, "x.yaml")
    assert deep.problems


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), plain))
def test_what_yaml_writes_is_read_back(data: dict[str, Any]) -> None:
    text = yaml.safe_dump(data, default_style='"')
    source = read(text, "x.yaml")
    assert not source.problems
    assert as_text(source.data) == as_text(data)


def as_text(data: Any) -> Any:
    """Everything that was quoted came back as text or by its explicit tag."""
    if isinstance(data, dict):
        return {str(key): as_text(value) for key, value in data.items()}
    return [as_text(item) for item in data] if isinstance(data, list) else data


# --- --set --------------------------------------------------------------------------------


def test_set_by_name_and_by_index() -> None:
    source = read_with("servers.lyon.clock.offset=0s", "servers.2.port=8080", "servers.0.name=nice")
    assert source.data["servers"] == [
        {"name": "nice"},
        {"name": "lyon", "clock": {"offset": "0s"}},
        {"port": 8080},
    ]
    assert not source.problems


def test_set_makes_what_is_missing() -> None:
    source = read_with("database.clock.offset=3s", "servers.paris.ntp.options=[a, b]")
    assert source.data["database"] == {"clock": {"offset": "3s"}}
    assert source.data["servers"][0]["ntp"] == {"options": ["a", "b"]}


def test_a_set_value_remembers_its_setting() -> None:
    source = read_with("servers.lyon.clock={offset: 1}")
    assert str(source.problem(("servers", 1, "clock", "offset"), "no")) == (
        "--set servers.lyon.clock={offset: 1}: servers.lyon.clock.offset: no"
    )


def test_later_settings_win() -> None:
    assert read_with("seed=1", "seed=2").data["seed"] == 2


@pytest.mark.parametrize(
    ("setting", "what"),
    [
        ("seed", "write it like servers.lyon.clock.offset=0s"),
        ("=1", "write it like servers.lyon.clock.offset=0s"),
        ("a..b=1", "write it like servers.lyon.clock.offset=0s"),
        ("servers.nice.port=1", "nothing in servers is called 'nice'; there is paris, lyon"),
        ("servers.7=1", "nothing in servers is called '7'; there is paris, lyon"),
        ("phases.x.ntp=on", "nothing in phases is called 'x'"),
        ("policy.ttl=3s", "policy is 'unique', it has no 'ttl'"),
        ("seed=[1", "not YAML: expected ',' or ']', but got '<stream end>' "
                    "while parsing a flow sequence"),
    ],
)  # fmt: skip
def test_a_setting_that_leads_nowhere(setting: str, what: str) -> None:
    assert said(read_with(setting)) == [f"--set {setting}: {what}"]


def test_dates_are_text() -> None:
    assert not isinstance(read("a: 2023-10-01\n", "x").data["a"], datetime.date)
