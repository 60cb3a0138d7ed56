"""The stack's settings, from the environment: checked as a whole, every fault told at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from ..errors import UsageError

SERVERS = ("paris", "lyon", "marseille")
DEFAULTS = {
    "NTPLAB_SITE": "localhost",
    "NTPLAB_SKEW_PARIS": "0s",
    "NTPLAB_SKEW_LYON": "2s",
    "NTPLAB_SKEW_MARSEILLE": "-1500ms",
    "NTPLAB_DRIFT_PARIS": "20ppm",
    "NTPLAB_DRIFT_LYON": "-50ppm",
    "NTPLAB_DRIFT_MARSEILLE": "80ppm",
    "NTPLAB_NTP": "off",
    "NTPLAB_POLICY": "timestamp-order",
    "NTPLAB_LOAD_HZ": "1",
    "NTPLAB_LOAD_MAX_HZ": "5",
    "NTPLAB_STREAMS_MAX": "100",
    "NTPLAB_ROTATE_S": "900",
    "NTPLAB_RUNS_KEPT": "4",
}
LOAD_MAX_HZ = 50.0
ROTATE_S_MAX = 1700.0
"""The buyers of one phase go home after half an hour."""

Number = TypeVar("Number", int, float)


@dataclass(frozen=True)
class Settings:
    """What the page and the preparing service go by."""

    site: str
    skew: Mapping[str, str]
    drift: Mapping[str, str]
    """by server, in the words of a scenario; checked with the scenario"""
    ntp: str
    policy: str
    load_hz: float
    load_max_hz: float
    streams_max: int
    rotate_s: float
    runs_kept: int


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        given = {key: value for key, value in environment.items() if value}
        self._given = DEFAULTS | {key: given[key] for key in DEFAULTS if key in given}
        self.faults: list[str] = []

    def text(self, name: str) -> str:
        return self._given[name]

    def number(self, name: str, low: Number, high: Number) -> Number:
        try:
            value = type(low)(self.text(name))
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            self.faults.append(f"{name}: from {low:g} to {high:g}, not {self.text(name)!r}")
        return value

    def one_of(self, name: str, *choices: str) -> str:
        if self.text(name) not in choices:
            self.faults.append(f"{name}: one of {', '.join(choices)}, not {self.text(name)!r}")
        return self.text(name)


def read_settings(environment: Mapping[str, str]) -> Settings:
    """What is empty counts as not set. Raises `UsageError` that names every fault."""
    reader = _Reader(environment)
    load_max_hz = reader.number("NTPLAB_LOAD_MAX_HZ", 0.1, LOAD_MAX_HZ)
    settings = Settings(
        site=reader.text("NTPLAB_SITE"),
        skew={name: reader.text(f"NTPLAB_SKEW_{name.upper()}") for name in SERVERS},
        drift={name: reader.text(f"NTPLAB_DRIFT_{name.upper()}") for name in SERVERS},
        ntp=reader.one_of("NTPLAB_NTP", "on", "off"),
        policy=reader.text("NTPLAB_POLICY"),
        load_max_hz=load_max_hz,
        load_hz=reader.number("NTPLAB_LOAD_HZ", 0.0, load_max_hz),
        streams_max=reader.number("NTPLAB_STREAMS_MAX", 1, 10_000),
        rotate_s=reader.number("NTPLAB_ROTATE_S", 20.0, ROTATE_S_MAX),
        runs_kept=reader.number("NTPLAB_RUNS_KEPT", 1, 1000),
    )
    if reader.faults:
        raise UsageError("; ".join(reader.faults), hint="compose/README.md lists the settings")
    return settings
