"""Settings of the booking service: every fault is named, at once, and every variable documented."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from booking import policies
from booking.config import DEFAULTS, REQUIRED, ConfigError, read_settings
from booking.policy import ParameterError, Policy, parse_params

from .booking_stub import variables

REPO = Path(__file__).resolve().parents[2]
REFERENCE = REPO / "docs" / "reference" / "booking-api.md"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    return variables(
        tmp_path,
        NTPLAB_POLICY="timestamp-order",
        NTPLAB_POLICY_PARAMS='{"stability_ns": 200000000, "ttl_ns": null}',
        NTPLAB_PEERS="lyon=http://lyon:8000 nice=http://nice:8000",
    )


def test_settings_of_a_server(env: dict[str, str]) -> None:
    settings = read_settings(env)
    assert settings.policy.name == "timestamp-order"
    assert settings.params.stability_ns == 200_000_000
    assert settings.peers == {"lyon": "http://lyon:8000", "nice": "http://nice:8000"}
    assert settings.db_password == "s3cret"
    assert (settings.listen, settings.port, settings.db_port) == ("0.0.0.0", 8000, 5432)


@pytest.mark.parametrize(
    ("policy", "params", "database"),
    [
        ("timestamp-order", '{"stability_ns": 1}', "booking_st_malo"),
        ("lease", '{"ttl_ns": 1}', "booking"),
        ("unique", "{}", "booking"),
        ("lease-fenced", '{"ttl_ns": 1}', "booking"),
        ("lease-db-time", '{"ttl_ns": 1}', "booking"),
        ("lease-monotonic", '{"ttl_ns": 1}', "booking"),
        ("last-write-wins", "{}", "booking_st_malo"),
        ("commit-wait", '{"lag_ns": 1, "limit_ns": 1}', "booking_st_malo"),
        ("hybrid-logical", '{"stability_ns": 1}', "booking_st_malo"),
    ],
)
def test_the_policy_says_whose_the_database_is(
    env: dict[str, str], policy: str, params: str, database: str
) -> None:
    env |= {
        "NTPLAB_NODE": "st-malo",
        "NTPLAB_POLICY": policy,
        "NTPLAB_POLICY_PARAMS": params,
    }
    assert read_settings(env).database == database


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"NTPLAB_NODE": ""}, "NTPLAB_NODE: not set"),
        ({"NTPLAB_NODE": "Paris!"}, "NTPLAB_NODE: must be a lower-case host name, not 'Paris!'"),
        (
            {"NTPLAB_POLICY": "luck"},
            "NTPLAB_POLICY: must be one of commit-wait, hybrid-logical, last-write-wins, lease,"
            " lease-db-time, lease-fenced, lease-monotonic, timestamp-order, unique, not 'luck'",
        ),
        ({"NTPLAB_POLICY_PARAMS": "{"}, "NTPLAB_POLICY_PARAMS: is not JSON: "),
        ({"NTPLAB_POLICY_PARAMS": "[]"}, "NTPLAB_POLICY_PARAMS: must be a JSON object"),
        (
            {"NTPLAB_POLICY_PARAMS": "{}"},
            "NTPLAB_POLICY_PARAMS: parameter 'stability_ns' is missing",
        ),
        (
            {"NTPLAB_POLICY_PARAMS": '{"stability_ns": "200ms"}'},
            "NTPLAB_POLICY_PARAMS: parameter 'stability_ns' must be an integer of at least 0,"
            " not '200ms'",
        ),
        (
            {"NTPLAB_PEERS": "lyon"},
            "NTPLAB_PEERS: 'lyon' is not like paris=http://paris:8000",
        ),
        (
            {"NTPLAB_PEERS": "paris=http://paris:8000"},
            "NTPLAB_PEERS: 'paris' is this server or named twice",
        ),
        ({"NTPLAB_PORT": "0"}, "NTPLAB_PORT: must be an integer from 1 to 65535, not '0'"),
        ({"NTPLAB_DB_POOL": "²"}, "NTPLAB_DB_POOL: must be an integer from 1 to 100, not '²'"),
        (
            {"NTPLAB_DB_PASSWORD_FILE": "/nowhere"},
            "NTPLAB_DB_PASSWORD_FILE: cannot be read: [Errno 2] No such file",
        ),
        (
            {"NTPLAB_LOG_LEVEL": "loud"},
            "NTPLAB_LOG_LEVEL: must be one of debug, info, warning, error, not 'loud'",
        ),
    ],
)
def test_each_fault_is_named(env: dict[str, str], change: dict[str, str], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(env | change)
    (found,) = caught.value.problems
    assert found.startswith(problem)


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings({"NTPLAB_PORT": "x", "NTPLAB_PEERS": "y"})
    assert len(caught.value.problems) == len(REQUIRED) + 2


def test_unknown_parameters_are_refused_with_the_known_ones() -> None:
    kind = policies.load("lease").params_type
    with pytest.raises(ParameterError, match=r"unknown parameter 'ttl' \(known: ttl_ns\)"):
        parse_params(kind, {"ttl": 5, "ttl_ns": 5})
    with pytest.raises(ParameterError, match="integer"):
        parse_params(kind, {"ttl_ns": True})


def test_a_policy_is_found_by_its_file() -> None:
    assert policies.names() == (
        "commit-wait",
        "hybrid-logical",
        "last-write-wins",
        "lease",
        "lease-db-time",
        "lease-fenced",
        "lease-monotonic",
        "timestamp-order",
        "unique",
    )
    for name in policies.names():
        policy = policies.load(name)
        assert issubclass(policy, Policy)
        assert policy.name == name
    with pytest.raises(KeyError):
        policies.load("luck")


def test_every_variable_is_documented() -> None:
    documented = set(re.findall(r"`(NTPLAB_[A-Z_]+)`", REFERENCE.read_text()))
    assert documented == {*DEFAULTS, *REQUIRED}


def test_every_parameter_of_every_policy_is_documented() -> None:
    text = REFERENCE.read_text()
    for name in policies.names():
        assert f"`{name}`" in text
        for parameter in vars(policies.load(name).params_type).get("__dataclass_fields__", {}):
            assert f"`{parameter}`" in text
