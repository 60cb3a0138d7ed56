"""load.json: what is accepted, and what is said about what is not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from buyers.load import ConfirmDelay, HotSpot, LoadError, Races, parse_load

RACES = {
    "kind": "races",
    "rate_hz": 5.0,
    "gap_min_ns": 0,
    "gap_max_ns": 2_000_000_000,
    "first_seat": 1,
}
HOT_SPOT = {
    "kind": "hot-spot",
    "rate_hz": 20,
    "seats": 500,
    "hot_seats": 20,
    "hot_share": 0.8,
    "first_seat": 1000,
}


def document(**changes: Any) -> dict[str, Any]:
    return {
        "phase": "ntp-off",
        "seed": 7,
        "start_lab_ns": 1_000,
        "duration_ns": 10_000_000_000,
        "servers": {"paris": "http://paris:8000/", "lyon": "http://lyon:8000"},
        "policy_holds": False,
        "timeout_ns": 5_000_000_000,
        "patterns": [RACES, HOT_SPOT],
        **changes,
    }


def problems(**changes: Any) -> list[str]:
    with pytest.raises(LoadError) as caught:
        parse_load(json.dumps(document(**changes)))
    return caught.value.problems


def test_a_load_is_read_as_it_is_written() -> None:
    load = parse_load(json.dumps(document()))
    assert load.servers == {"paris": "http://paris:8000", "lyon": "http://lyon:8000"}
    races, hot_spot = load.patterns
    assert races == Races(5.0, 0, 2_000_000_000, 1, "poisson", ConfirmDelay(0, 0))
    assert isinstance(hot_spot, HotSpot)
    assert (hot_spot.rate_hz, hot_spot.seats, hot_spot.hot_seats) == (20.0, 500, 20)


def test_arrival_and_confirm_delay_are_taken() -> None:
    pattern = {**RACES, "arrival": "uniform", "confirm_min_ns": 5, "confirm_max_ns": 9}
    (races,) = parse_load(json.dumps(document(patterns=[pattern]))).patterns
    assert races.spacing == "uniform"
    assert races.confirm == ConfirmDelay(5, 9)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"phase": ""}, ["phase: expected a string that is not empty, got ''"]),
        ({"seed": "7"}, ["seed: expected an integer, got '7'"]),
        ({"seed": True}, ["seed: expected an integer, got True"]),
        ({"duration_ns": 1.5}, ["duration_ns: expected an integer of at least 1, got 1.5"]),
        ({"servers": {}}, ["servers: expected an object that is not empty, got {}"]),
        (
            {"servers": {"a": "ftp://a", "b": "http://b", "c": "http://c"}},
            ["servers.a: expected an http:// or https:// URL, got 'ftp://a'"],
        ),
        ({"patterns": []}, ["patterns: expected a list that is not empty, got []"]),
        ({"patterns": [3, RACES]}, ["patterns[0]: expected an object, got 3"]),
        (
            {"patterns": [{**RACES, "kind": "race"}]},
            ["patterns[0].kind: unknown pattern 'race', known are races, hot-spot"],
        ),
        (
            {"patterns": [{**RACES, "gap_max_ns": 10_000_000_000}]},
            [
                "patterns[0].gap_max_ns: 10000000000 does not fit into duration_ns (10000000000)",
            ],
        ),
        (
            {"patterns": [HOT_SPOT, {**RACES, "gap_min_ns": 3_000_000_000}]},
            ["patterns[1].gap_max_ns: 2000000000 is below gap_min_ns (3000000000)"],
        ),
        (
            {"patterns": [{**RACES, "rate_hz": 0}]},
            ["patterns[0].rate_hz: expected a number above 0, got 0"],
        ),
        (
            {"patterns": [{**RACES, "arrival": "bursts"}]},
            ["patterns[0].arrival: unknown arrival 'bursts', known are poisson, uniform"],
        ),
        (
            {"patterns": [{**HOT_SPOT, "hot_share": 1.1}]},
            ["patterns[0].hot_share: expected a number from 0 to 1, got 1.1"],
        ),
        (
            {"patterns": [{**HOT_SPOT, "hot_seats": 501}]},
            ["patterns[0].hot_seats: 501 is more than seats (500)"],
        ),
        (
            {"patterns": [{**HOT_SPOT, "hot_seats": 500}]},
            ["patterns[0].hot_share: must be 1 when every seat is hot"],
        ),
        (
            {"patterns": [{**HOT_SPOT, "confirm_min_ns": 5, "confirm_max_ns": 4}]},
            ["patterns[0].confirm_max_ns: 4 is below confirm_min_ns (5)"],
        ),
        (
            {"servers": {"a": "http://a"}},
            ["patterns[0].kind: races need two servers, there is one"],
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_place(changes: dict[str, Any], expected: list[str]) -> None:
    assert problems(**changes) == expected


def test_unknown_keys_are_errors() -> None:
    (top,) = problems(sed=1)
    assert top.startswith("sed: unknown key, known are duration_ns, ")
    (inner,) = problems(patterns=[{**RACES, "hot_share": 1}])
    assert inner.startswith("patterns[0].hot_share: unknown key, known are arrival, ")


def test_everything_wrong_is_said_at_once() -> None:
    changed = document(timeout_ns=0)
    del changed["seed"], changed["phase"]
    with pytest.raises(LoadError) as caught:
        parse_load(json.dumps(changed))
    assert sorted(caught.value.problems) == [
        "phase: missing, expected a string that is not empty",
        "seed: missing, expected an integer",
        "timeout_ns: expected an integer of at least 1000000, got 0",
    ]


@pytest.mark.parametrize("text", ["{", "[]", "null", '"load"', "1"])
def test_what_is_not_an_object_is_refused(text: str) -> None:
    with pytest.raises(LoadError):
        parse_load(text)
