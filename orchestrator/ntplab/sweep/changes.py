"""What has to be done to a lab between two points, found by comparing what both render to.

Pure. Nothing here knows which keys of a scenario can be changed in a running lab: each point's
plan becomes containers and files, and what differs between those of two points decides.

- nothing: clocks, data and NTP are put back as before any point
- only what the app is told in its environment: the app takes it in place
- what an NTP daemon reads: the file is replaced while the daemon is down
- anything else about one server or time server: that container is made anew
- the observer, the database, networks, volumes or the set of nodes: the lab is made anew
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..daemons import DAEMONS
from ..plan import Plan
from ..render import render_files
from ..topology import OBSERVER_CONFIG_PATH, NodeSpec, Topology, build

APP_ENVIRONMENT = ("NTPLAB_POLICY", "NTPLAB_POLICY_PARAMS")
"""What `booking.reconfigure` changes in a running app."""
START_ENVIRONMENT = ("NTPLAB_SERVICES_DOWN",)
"""Decides only how services begin; between points the stage starts and stops them anyway."""
DAEMON_FILES = frozenset(path for d in DAEMONS.values() for _, path in d.files)
"""Read by an NTP daemon when it starts."""
REPLACEABLE = ("server", "timeserver")
"""Kinds of node that the others do without for a moment."""


@dataclass(frozen=True)
class Rendered:
    """A point as containers and files."""

    topology: Topology
    files: Mapping[str, Mapping[str, bytes]]


@dataclass(frozen=True)
class Changes:
    """What to do, by node. With `lab` everything is made anew and the rest does not matter."""

    lab: str = ""
    """why the lab has to be made anew; empty if it does not"""
    nodes: tuple[str, ...] = ()
    """containers to make anew"""
    apps: tuple[str, ...] = ()
    """servers whose app takes another policy or other parameters"""
    daemons: tuple[str, ...] = ()
    """nodes whose NTP daemon reads another file"""

    @property
    def restarted(self) -> list[str]:
        """Containers that start again: `lab` for all of them."""
        return ["lab"] if self.lab else list(self.nodes)

    def words(self) -> list[str]:
        """For people, one line each."""
        if self.lab:
            return [f"lab made anew: {self.lab}"]
        told = {
            "container made anew": self.nodes,
            "policy changed": self.apps,
            "NTP configuration changed": self.daemons,
        }
        return [f"{what}: {' '.join(nodes)}" for what, nodes in told.items() if nodes]


def rendered(plan: Plan) -> Rendered:
    """`plan` as containers and files; names and times of a particular lab left out."""
    return Rendered(build(plan, "x", 0), render_files(plan))


def compare(before: Rendered, after: Rendered, spoiled: Iterable[str] = ()) -> Changes:
    """What leads from one to the other; `spoiled` nodes died, or are in an unknown state."""
    if why := _another_lab(before, after):
        return Changes(lab=why)
    old = {spec.name: spec for spec in before.topology.nodes}
    nodes, apps = set(spoiled), set[str]()
    for spec in after.topology.nodes:
        if not _same(old[spec.name], spec, (*APP_ENVIRONMENT, *START_ENVIRONMENT)):
            nodes.add(spec.name)
        elif not _same(old[spec.name], spec, START_ENVIRONMENT):
            apps.add(spec.name)
    daemons = set[str]()
    for name in old:
        for path in _different_files(before.files.get(name, {}), after.files.get(name, {})):
            (daemons if path in DAEMON_FILES else nodes).add(name)
    for spec in after.topology.nodes:
        if spec.name in nodes and spec.kind not in REPLACEABLE:
            return Changes(lab=f"{spec.name} is not as it was")
    return Changes(
        nodes=tuple(sorted(nodes)),
        apps=tuple(sorted(apps - nodes)),
        daemons=tuple(sorted(daemons - nodes)),
    )


def _another_lab(before: Rendered, after: Rendered) -> str:
    old, new = before.topology, after.topology
    if [spec.name for spec in old.nodes] != [spec.name for spec in new.nodes]:
        return "other nodes"
    if (old.networks, old.volumes) != (new.networks, new.volumes):
        return "other networks or volumes"
    return ""


def _same(one: NodeSpec, other: NodeSpec, but_for: Iterable[str]) -> bool:
    return _without(one, but_for) == _without(other, but_for)


def _without(spec: NodeSpec, variables: Iterable[str]) -> NodeSpec:
    left = {key: value for key, value in spec.environment.items() if key not in variables}
    return replace(spec, environment=left)


def _different_files(one: Mapping[str, bytes], other: Mapping[str, bytes]) -> list[str]:
    return [
        path
        for path in sorted(one.keys() | other.keys())
        if _essence(path, one.get(path)) != _essence(path, other.get(path))
    ]


def _essence(path: str, content: bytes | None) -> object:
    """What a running program goes by: where clocks begin matters to no page that exists."""
    if path != OBSERVER_CONFIG_PATH or content is None:
        return content
    config = json.loads(content)
    for node in config["nodes"]:
        del node["initial"]
    return config
