"""Quantities: exact, with units, and back again."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab import units
from ntplab.scenario import types


@pytest.mark.parametrize(
    ("text", "value_ns"),
    [
        ("500ms", 500_000_000),
        ("-5s", -5_000_000_000),
        ("+1s", 1_000_000_000),
        ("2m", 120_000_000_000),
        ("2min", 120_000_000_000),
        ("1h", 3_600_000_000_000),
        ("1.5d", 129_600_000_000_000),
        ("250us", 250_000),
        ("250µs", 250_000),
        ("10ns", 10),
        ("0.1ms", 100_000),
        ("2 s", 2_000_000_000),
        ("0", 0),
        (0, 0),
    ],
)
def test_duration(text: object, value_ns: int) -> None:
    assert units.parse_duration_ns(text) == value_ns


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (5, "'5' has no unit: write 5s or 5ms"),
        ("1.5", "'1.5' has no unit: write 1.5s or 1.5ms"),
        ("5 parsecs", "'5 parsecs' has an unknown unit 'parsecs': use one of ns us ms s m h d"),
        ("5ppm", "'5ppm' has an unknown unit 'ppm': use one of ns us ms s m h d"),
        ("soon", "'soon' is not a duration: write one like 500ms or -5s"),
        ("", "'' is not a duration: write one like 500ms or -5s"),
        (None, "nothing is not a duration: write one like 500ms or -5s"),
        (True, "'True' is not a duration: write one like 500ms or -5s"),
        ("0.5ns", "'0.5ns' is finer than a nanosecond"),
        ("1e9s", "'1e9s' is not a duration: write one like 500ms or -5s"),
    ],
)
def test_what_is_no_duration(text: object, what: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(what)}$"):
        units.parse_duration_ns(text)


@given(st.integers(min_value=-(10**24), max_value=10**24))
def test_a_duration_survives_writing_and_reading(value_ns: int) -> None:
    text = units.format_duration(value_ns)
    assert units.parse_duration_ns(text) == value_ns
    assert value_ns == 0 or re.match(units.DURATION_PATTERN, text)


@given(st.integers(min_value=0, max_value=10**15), st.sampled_from(sorted(units.DURATION_UNITS_NS)))
def test_whole_numbers_of_every_unit_are_exact(number: int, unit: str) -> None:
    expected_ns = number * units.DURATION_UNITS_NS[unit]
    assert units.parse_duration_ns(f"{number}{unit}") == expected_ns
    assert units.parse_duration_ns(f"-{number}{unit}") == -expected_ns


@pytest.mark.parametrize(
    ("value_ns", "text"),
    [
        (1_500_000_000, "1.5s"),
        (-5_000_000_000, "-5s"),
        (90_000_000_000, "90s"),
        (7_200_000_000_000, "2h"),
        (250_000, "250us"),
        (1, "1ns"),
        (1_000_000_001, "1.000000001s"),
    ],
)
def test_durations_are_written_as_people_would(value_ns: int, text: str) -> None:
    assert units.format_duration(value_ns) == text


@given(st.floats(min_value=-100_000, max_value=100_000))
def test_a_frequency_error_survives_writing_and_reading(value_ppm: float) -> None:
    if abs(value_ppm) >= 1e-9 or value_ppm == 0:
        assert units.parse_ppm(units.format_ppm(value_ppm)) == value_ppm


@pytest.mark.parametrize(
    ("text", "value_ppm"), [("50ppm", 50.0), ("-0.5ppm", -0.5), (0, 0.0), ("+3 ppm", 3.0)]
)
def test_ppm(text: object, value_ppm: float) -> None:
    assert units.parse_ppm(text) == value_ppm


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("50", "'50' has no unit: write 50ppm"),
        ("50ms", "'50ms' has an unknown unit 'ms': use one of ppm"),
        ([], "'[]' is not a frequency error: write one like 50ppm or -0.5ppm"),
    ],
)
def test_what_is_no_frequency_error(text: object, what: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(what)}$"):
        units.parse_ppm(text)


@pytest.mark.parametrize(("text", "rate_hz"), [("5/s", 5.0), ("30/m", 0.5), ("1.5/s", 1.5)])
def test_rate(text: str, rate_hz: float) -> None:
    assert units.parse_rate_hz(text) == rate_hz


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("5", "'5' has no unit: write 5/s or 5/m"),
        ("5/d", "'5/d' has an unknown unit '/d': use one of /s /m /h"),
        ("5s", "'5s' has an unknown unit 's': use one of /s /m /h"),
        ("-5/s", "'-5/s' is negative"),
    ],
)
def test_what_is_no_rate(text: str, what: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(what)}$"):
        units.parse_rate_hz(text)


@given(st.floats(min_value=0.001, max_value=10_000))
def test_a_rate_survives_writing_and_reading(rate_hz: float) -> None:
    assert units.parse_rate_hz(units.format_rate(rate_hz)) == rate_hz


@pytest.mark.parametrize("name", ["a", "paris", "server-a", "n1", "x" * 32])
def test_names(name: str) -> None:
    assert re.fullmatch(types.NAME_PATTERN, name)


@pytest.mark.parametrize(
    "name", ["", "Paris", "1a", "-a", "a-", "a.b", "a_b", "x" * 33, "é", "a\n"]
)
def test_what_is_no_name(name: str) -> None:
    assert not re.fullmatch(types.NAME_PATTERN, name)
