"""Which keys belong to which system under test. Part of the first stage, beside `checks.py`.

Of the plain data, so that it is said whatever else is wrong with the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..errors import Problem
from .faults import EVERYBODY, TRAIN_ONLY
from .nodes import OBSERVER
from .source import Source
from .train import client_names

CONCERT_KEYS = ("policy", "servers", "database", "load", "request_timeout")
EVERYBODY_KINDS = ("kill", "restart", "link", "partition", "heal")


def check_system(source: Source) -> Iterator[Problem]:
    """Keys that are missing for the system of the file, or belong to the other one."""
    data = source.data
    if not isinstance(data, dict):
        return
    if data.get("system") == "train":
        yield from _train(data, source)
    else:
        yield from _concert(data, source)


def _concert(data: dict[str, Any], source: Source) -> Iterator[Problem]:
    if "policy" not in data or data["policy"] is None:
        yield source.problem(("policy",), "is missing")
    if "servers" not in data or data["servers"] == []:
        what = "is missing" if "servers" not in data else "needs at least 1, has 0"
        yield source.problem(("servers",), what)
    if "train" in data:
        hint = "write system: train, or take the key out"
        yield source.problem(("train",), "belongs to the train system, this is a concert", hint)
    for number, index, fault in _faults(data):
        if fault.get("kind") in TRAIN_ONLY:
            what = f"'{fault['kind']}' is of the train system, this is a concert"
            yield source.problem(("phases", number, "faults", index, "kind"), what)


def _train(data: dict[str, Any], source: Source) -> Iterator[Problem]:
    if not isinstance(data.get("train"), dict):
        yield source.problem(("train",), "is missing, and system is train")
    for key in CONCERT_KEYS:
        if key in data:
            hint = "what the train system has is said under train:"
            yield source.problem((key,), "belongs to a concert, system is train", hint)
    if "sweep" in data:
        what = "a sweep is of a concert: its figures are those of bookings"
        hint = "one run for each value: ./ntplab run FILE --set train.hold=2s --out DIR"
        yield source.problem(("sweep",), what, hint)
    for number, phase in enumerate(_phases(data)):
        if phase.get("trials", 1) != 1:
            what = "trials are of a concert: what a trial of trains did to its nodes stays done"
            hint = "write the phase several times, each under a name of its own"
            yield source.problem(("phases", number, "trials"), what, hint)
        if phase.get("load") is not None:
            what = "a phase of the train system has the clients' load, or none: write load: null"
            yield source.problem(("phases", number, "load"), what)
    yield from _names(data, source)
    yield from _daemons(data, source)
    yield from _train_faults(data, source)


def _names(data: dict[str, Any], source: Source) -> Iterator[Problem]:
    train = data.get("train")
    clients = train.get("clients") if isinstance(train, dict) else None
    office = train.get("office") if isinstance(train, dict) else None
    taken: list[Any] = [EVERYBODY, OBSERVER]
    taken.append(office.get("name", "office") if isinstance(office, dict) else "office")
    times = data.get("time_servers")
    taken += [t.get("name") for t in times or () if isinstance(t, dict)]
    for index, name in enumerate(client_names(clients)):
        if name in taken:
            at = ("train", "clients", index, "name") if isinstance(clients, list) else ("train",)
            yield source.problem(at, f"'{name}' is the name of something else already")
        taken.append(name)


def _daemons(data: dict[str, Any], source: Source) -> Iterator[Problem]:
    """The nodes' image has chrony only."""
    train = data.get("train") if isinstance(data.get("train"), dict) else {}
    assert isinstance(train, dict)
    clients = train.get("clients")
    places: list[tuple[tuple[str | int, ...], Any]] = [
        (("ntp", "daemon"), data.get("ntp")),
        (("train", "office", "ntp", "daemon"), _get(train.get("office"), "ntp")),
    ]
    for index, client in enumerate(clients if isinstance(clients, list) else []):
        places.append((("train", "clients", index, "ntp", "daemon"), _get(client, "ntp")))
    for path, ntp in places:
        if _get(ntp, "daemon") not in (None, "chrony"):
            yield source.problem(path, "the nodes of the train system have chrony")


def _get(data: Any, key: str) -> Any:
    return data.get(key) if isinstance(data, dict) else None


def _train_faults(data: dict[str, Any], source: Source) -> Iterator[Problem]:
    for number, index, fault in _faults(data):
        everybody, kind = fault.get("server") == EVERYBODY, fault.get("kind")
        if everybody and kind not in EVERYBODY_KINDS:
            what = f"'{kind}' strikes one node at a time"
            yield source.problem(("phases", number, "faults", index, "server"), what)


def _phases(data: dict[str, Any]) -> list[dict[str, Any]]:
    phases = data.get("phases")
    return [p if isinstance(p, dict) else {} for p in phases] if isinstance(phases, list) else []


def _faults(data: dict[str, Any]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    for number, phase in enumerate(_phases(data)):
        faults = phase.get("faults")
        for index, fault in enumerate(faults if isinstance(faults, list) else []):
            if isinstance(fault, dict):
                yield number, index, fault
