"""What containers, networks and volumes a lab consists of. Pure: plan in, `Topology` out.

Third stage of the pipeline: scenario -> plan -> topology -> render -> driver.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

LAB_LABEL = "ntplab.lab"
NODE_LABEL = "ntplab.node"
KIND_LABEL = "ntplab.kind"
RUN_LABEL = "ntplab.run"

NodeKind = Literal["observer", "timeserver", "server", "database", "buyers"]


@dataclass(frozen=True)
class VolumeMount:
    """A named volume (`volume` is the full Docker name) mounted at `path`."""

    volume: str
    path: str
    read_only: bool = False


@dataclass(frozen=True)
class PublishedPort:
    """A container port reachable on the host, at 127.0.0.1 unless `address` says otherwise."""

    container_port: int
    host_port: int
    address: str = "127.0.0.1"


@dataclass(frozen=True)
class NodeSpec:
    """One container. `name` is the node's name in the lab and its DNS name on every network."""

    name: str
    kind: NodeKind
    image: str
    networks: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    mounts: tuple[VolumeMount, ...] = ()
    ports: tuple[PublishedPort, ...] = ()
    command: tuple[str, ...] = ()
    time_namespace: bool = False
    """Run under the seccomp profile that allows unshare(CLONE_NEWUSER|CLONE_NEWTIME)."""


@dataclass(frozen=True)
class NetworkSpec:
    """A bridge network; `internal` ones have no way out."""

    name: str
    internal: bool = True


@dataclass(frozen=True)
class VolumeSpec:
    """A tmpfs-backed volume of at most `size_kib`, owned by uid 1000: one clock page."""

    name: str
    node: str
    size_kib: int = 64


@dataclass(frozen=True)
class Topology:
    lab: str
    networks: tuple[NetworkSpec, ...]
    volumes: tuple[VolumeSpec, ...]
    nodes: tuple[NodeSpec, ...]


def docker_name(lab: str, name: str) -> str:
    """The Docker name of a node, network or volume: `ntplab-<lab>-<name>`."""
    return f"ntplab-{lab}-{name}"
