"""Which clocks there are and how they begin: observer.json and the environment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .oscillator import MIN_TEMPERATURE_NS, Temperature, Wander

ANCHOR_VARIABLE = "NTPLAB_ANCHOR_NS"
CONFIG_VARIABLE = "NTPLAB_OBSERVER_CONFIG"
DEFAULT_CONFIG = "/etc/ntplab/observer.json"
DAEMONS = ("chrony", "ntpsec", "openntpd")
"""those that can be asked what they believe"""


class ConfigError(Exception):
    """The observer was not told what it needs to know; says what is missing, and where."""


@dataclass(frozen=True)
class NodeConfig:
    """One clock: its page, the host where its NTP daemon answers (if any), how it begins."""

    name: str
    page: Path
    ntp: str | None
    offset_ns: int
    drift_ppm: float
    seed: int = 0
    """what its random walk is drawn from, unless a command names another"""
    wander: Wander | None = None
    """since when, is said when the page is made; so below"""
    temperature: Temperature | None = None
    daemon: str = "chrony"
    """how it is asked, see asking.py"""


@dataclass(frozen=True)
class Config:
    sample_hz: float
    belief_hz: float
    nodes: tuple[NodeConfig, ...]

    def chosen(self, names: list[str]) -> tuple[NodeConfig, ...]:
        """The nodes of these names, all if there are none. Raises `ConfigError` if unknown."""
        known = {node.name: node for node in self.nodes}
        for name in names:
            if name not in known:
                raise ConfigError(f"{name}: no such clock, there are {', '.join(known)}")
        return tuple(known[name] for name in names) if names else self.nodes


def anchor_from_environment() -> int:
    """Lab time minus raw time, in ns. Raises `ConfigError`."""
    text = os.environ.get(ANCHOR_VARIABLE, "")
    try:
        return int(text)
    except ValueError:
        what = f"expected the anchor of lab time in ns, got {text!r}"
        raise ConfigError(f"{ANCHOR_VARIABLE}: {what}") from None


def config_from_environment() -> Config:
    """The file that the environment names, read. Raises `ConfigError`."""
    path = Path(os.environ.get(CONFIG_VARIABLE, DEFAULT_CONFIG))
    try:
        return parse_config(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(error)) from None
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None


def parse_config(text: str) -> Config:
    """observer.json. Raises `ConfigError` with the first thing that is wrong, and where."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"not JSON: {error}") from None
    _only(document, "", {"sample_hz", "belief_hz", "nodes"})
    parts = _field(document, "", "nodes", list)
    nodes = tuple(_node(part, f"nodes[{index}]") for index, part in enumerate(parts))
    _check_names(nodes)
    return Config(
        sample_hz=_rate(document, "sample_hz"),
        belief_hz=_rate(document, "belief_hz"),
        nodes=nodes,
    )


def _node(document: Any, where: str) -> NodeConfig:
    _only(document, where, {"name", "page", "ntp", "daemon", "seed", "initial"})
    initial = document.get("initial", {})
    _only(initial, f"{where}.initial", {"offset_ns", "drift_ppm", "wander", "temperature"})
    return NodeConfig(
        name=_field(document, where, "name", str),
        page=Path(_field(document, where, "page", str)),
        ntp=None if document.get("ntp") is None else _field(document, where, "ntp", str),
        daemon=_daemon(document, where),
        offset_ns=_field(initial, f"{where}.initial", "offset_ns", int, 0),
        drift_ppm=float(_field(initial, f"{where}.initial", "drift_ppm", (int, float), 0.0)),
        seed=_field(document, where, "seed", int, 0),
        wander=_wander(initial.get("wander"), f"{where}.initial.wander"),
        temperature=_temperature(initial.get("temperature"), f"{where}.initial.temperature"),
    )


def _daemon(document: Any, where: str) -> str:
    daemon: str = _field(document, where, "daemon", str, "chrony")
    if daemon not in DAEMONS:
        expected = ", ".join(DAEMONS)
        raise ConfigError(f"{where}.daemon: expected one of {expected}, got {daemon!r}")
    return daemon


def _wander(document: Any, where: str) -> Wander | None:
    if document is None:
        return None
    _only(document, where, {"per_second_ppm", "seed"})
    per_second_ppm = float(_field(document, where, "per_second_ppm", (int, float)))
    return Wander(per_second_ppm, _field(document, where, "seed", int), since_lab_ns=0)


def _temperature(document: Any, where: str) -> Temperature | None:
    if document is None:
        return None
    _only(document, where, {"amplitude_ppm", "period_ns", "phase_ns"})
    amplitude_ppm = float(_field(document, where, "amplitude_ppm", (int, float)))
    period_ns = _field(document, where, "period_ns", int)
    if period_ns < MIN_TEMPERATURE_NS:
        raise ConfigError(f"{where}.period_ns: expected at least a second, got {period_ns}")
    phase_ns = _field(document, where, "phase_ns", int, 0)
    return Temperature(amplitude_ppm, period_ns, phase_ns, since_lab_ns=0)


def _rate(document: Mapping[str, Any], key: str) -> float:
    rate_hz = _field(document, "", key, (int, float))
    if not 0 < rate_hz <= 1000:
        raise ConfigError(f"{key}: expected a rate above 0 and up to 1000, got {rate_hz}")
    return float(rate_hz)


def _check_names(nodes: tuple[NodeConfig, ...]) -> None:
    names = [node.name for node in nodes]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise ConfigError(f"nodes[{index}].name: {name!r} is there twice")


def _field(
    document: Any, where: str, key: str, kind: type | tuple[type, ...], default: Any = None
) -> Any:
    value = document.get(key, default)
    if not isinstance(value, kind) or isinstance(value, bool):
        kinds = kind if isinstance(kind, tuple) else (kind,)
        expected = " or ".join(each.__name__ for each in kinds)
        raise ConfigError(f"{_path(where, key)}: expected {expected}, got {value!r}")
    return value


def _only(document: Any, where: str, known: set[str]) -> None:
    if not isinstance(document, dict):
        raise ConfigError(f"{where or 'the file'}: expected an object, got {document!r}")
    for key in document:
        if key not in known:
            raise ConfigError(f"{_path(where, key)}: unknown key")


def _path(where: str, key: str) -> str:
    return f"{where}.{key}" if where else key
