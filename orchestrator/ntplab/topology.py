"""What containers, networks and volumes a lab consists of. Pure: plan in, `Topology` out.

Third stage of the pipeline: scenario -> plan -> topology -> render -> driver.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from .daemons import CHRONY, DAEMONS, OPTIONAL_IMAGES, Daemon
from .plan import (
    APP_PORT,
    ClockPlan,
    DatabasePlan,
    Plan,
    ServerPlan,
    TimeServerPlan,
)
from .scenario.nodes import BUYERS, DATABASE, OBSERVER

LAB_LABEL = "ntplab.lab"
NODE_LABEL = "ntplab.node"
KIND_LABEL = "ntplab.kind"
RUN_LABEL = "ntplab.run"

CPU_SHARES = 1024
"""What Docker gives a container that asks for nothing."""
OBSERVER_CPU_SHARES = 16 * CPU_SHARES
"""Fifty nodes that start at once must not keep the observer from looking at their clocks."""

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
    entrypoint: tuple[str, ...] = ()
    """Instead of the image's."""
    time_namespace: bool = False
    """Run under the seccomp profile that allows unshare(CLONE_NEWUSER|CLONE_NEWTIME)."""
    cpu_shares: int = CPU_SHARES
    """Weight of this container where there are more programs than processors."""


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


# --- building -----------------------------------------------------------------------------

APP_NETWORK = "app"
TIME_NETWORK = "time"
PAGE_DIR = "/clock"
PAGES_DIR = "/clocks"
OBSERVER_CONFIG_PATH = "/etc/ntplab/observer.json"
PASSWORD_PATH = "/etc/ntplab/secrets/db_password"
LOADS_DIR = "/tmp/loads"
BUYERS_PROGRAM = "/usr/bin/ntplab-buyers"
CORE_IMAGES = ("observer", "timeserver", "postgres", "booking", "buyers")
TRAIN_IMAGES = ("observer", "timeserver", "train")


def build(plan: Plan, lab: str, anchor_ns: int, images: str = "ntplab") -> Topology:
    """Everything `plan` needs but the buyers, in the order of starting.

    `anchor_ns` is lab time minus CLOCK_MONOTONIC_RAW; `images` the prefix of all image names.
    """
    published = any(server.port is not None for server in plan.servers)
    maker = _Maker(plan, lab, anchor_ns, images)
    return Topology(
        lab=lab,
        networks=(NetworkSpec(TIME_NETWORK), NetworkSpec(APP_NETWORK, internal=not published)),
        volumes=tuple(VolumeSpec(clock_volume(lab, node), node) for node in plan.clocks),
        nodes=(
            maker.observer(),
            *(maker.time_server(time_server) for time_server in plan.time_servers),
            *([maker.database(plan.database)] if plan.database else []),
            *(maker.server(server) for server in plan.servers),
        ),
    )


def images_of(*plans: Plan, images: str = "ntplab") -> tuple[str, ...]:
    """The images that labs of these plans are made from; without any, those of ordinary labs."""
    if plans and all(plan.train for plan in plans):
        return tuple(f"{images}/{name}" for name in TRAIN_IMAGES)
    used = {DAEMONS[server.daemon].image for plan in plans for server in plan.servers}
    return tuple(f"{images}/{name}" for name in (*CORE_IMAGES, *sorted(used - set(CORE_IMAGES))))


def is_optional(image: str) -> bool:
    """Whether only some scenarios need `image`."""
    return image.rpartition("/")[2] in (*OPTIONAL_IMAGES, "train")


def standing_buyers(lab: str, anchor_ns: int, images: str = "ntplab") -> NodeSpec:
    """The container that plays every load put into `LOADS_DIR`, one after the other."""
    return NodeSpec(
        name=BUYERS,
        kind="buyers",
        image=f"{images}/buyers",
        networks=(APP_NETWORK,),
        environment={"NTPLAB_ANCHOR_NS": str(anchor_ns)},
        command=(BUYERS_PROGRAM, "--serve", LOADS_DIR),
    )


def observer_config(plan: Plan) -> dict[str, Any]:
    """The observer's observer.json: every clock, how it begins, whose NTP is asked for beliefs.

    Time servers are not asked: chronyd without a source believes itself. Nor are daemons that
    tell nobody what they believe.
    """
    asked = {s.name: s.daemon for s in plan.servers if DAEMONS[s.daemon].tells_belief}
    if plan.steered_database:
        asked[plan.steered_database.name] = CHRONY.name
    return {
        "sample_hz": plan.sampling.clock_hz,
        "belief_hz": plan.sampling.belief_hz,
        "nodes": [
            {
                "name": name,
                "page": f"{PAGES_DIR}/{name}/page",
                "ntp": name if name in asked else None,
                **({"daemon": asked[name]} if asked.get(name, CHRONY.name) != CHRONY.name else {}),
                "seed": clock.seed,
                "initial": {
                    "offset_ns": clock.offset_ns,
                    "drift_ppm": clock.drift_ppm,
                    **clock.oscillator.observer_json(),
                },
            }
            for name, clock in plan.clocks.items()
        ],
    }


def clock_volume(lab: str, node: str) -> str:
    """Docker name of the volume with the clock page of `node`."""
    return docker_name(lab, f"clock-{node}")


@dataclass(frozen=True)
class _Maker:
    """Makes the nodes of one lab."""

    plan: Plan
    lab: str
    anchor_ns: int
    images: str

    def observer(self) -> NodeSpec:
        """On the time network too, to see whether time servers answer; they are nowhere else."""
        return NodeSpec(
            name=OBSERVER,
            kind="observer",
            image=f"{self.images}/observer",
            networks=(APP_NETWORK, TIME_NETWORK),
            environment={
                "NTPLAB_ANCHOR_NS": str(self.anchor_ns),
                "NTPLAB_OBSERVER_CONFIG": OBSERVER_CONFIG_PATH,
            },
            mounts=tuple(
                VolumeMount(clock_volume(self.lab, node), f"{PAGES_DIR}/{node}")
                for node in self.plan.clocks
            ),
            cpu_shares=OBSERVER_CPU_SHARES,
        )

    def time_server(self, time_server: TimeServerPlan) -> NodeSpec:
        """Not on the app network: a server cut off the time network must not find it there."""
        return self._machine(
            time_server.name, "timeserver", "timeserver", (TIME_NETWORK,), time_server.clock
        )

    def database(self, database: DatabasePlan) -> NodeSpec:
        networks = (APP_NETWORK, TIME_NETWORK) if database.ntp else (APP_NETWORK,)
        environment = {"NTPLAB_MAP": "user", **_services_down(CHRONY, database.ntp_at_start)}
        return self._machine(
            database.name, "database", "postgres", networks, database.clock, environment
        )

    def train_node(self, server: ServerPlan) -> NodeSpec:
        """A node of the train system: its office, or a client."""
        environment = {"NTPLAB_MAP": CHRONY.user, **_services_down(CHRONY, server.ntp_at_start)}
        networks = (APP_NETWORK, TIME_NETWORK)
        return self._machine(server.name, "server", "train", networks, server.clock, environment)

    def server(self, server: ServerPlan) -> NodeSpec:
        if self.plan.train:
            return self.train_node(server)
        daemon = DAEMONS[server.daemon]
        node = self._machine(
            server.name,
            "server",
            daemon.image,
            (APP_NETWORK, TIME_NETWORK),
            server.clock,
            {
                "NTPLAB_MAP": daemon.user,
                **self._booking(server.name),
                **_services_down(daemon, server.ntp_at_start),
            },
        )
        if server.port is None:
            return node
        return replace(node, ports=(PublishedPort(APP_PORT, server.port),))

    def _booking(self, name: str) -> dict[str, str]:
        peers = [s.name for s in self.plan.servers if s.name != name]
        return {
            "NTPLAB_POLICY": self.plan.policy,
            "NTPLAB_POLICY_PARAMS": json.dumps(self.plan.policy_params),
            "NTPLAB_PEERS": " ".join(f"{peer}=http://{peer}:{APP_PORT}" for peer in peers),
            "NTPLAB_DB_HOST": DATABASE,
            "NTPLAB_DB_PORT": "5432",
            "NTPLAB_DB_USER": "booking",
            "NTPLAB_DB_PASSWORD_FILE": PASSWORD_PATH,
        }

    def _machine(
        self,
        name: str,
        kind: NodeKind,
        image: str,
        networks: tuple[str, ...],
        clock: ClockPlan,
        environment: Mapping[str, str] = MappingProxyType({}),
    ) -> NodeSpec:
        """A container with a wall clock and an uptime of its own."""
        return NodeSpec(
            name=name,
            kind=kind,
            image=f"{self.images}/{image}",
            networks=networks,
            environment={
                "NTPLAB_NODE": name,
                "VCLOCK_PAGE": f"{PAGE_DIR}/page",
                "NTPLAB_UPTIME_S": str(clock.uptime_s),
                "NTPLAB_MAP": "root",
                **environment,
            },
            mounts=(VolumeMount(clock_volume(self.lab, name), PAGE_DIR),),
            time_namespace=True,
        )


def _services_down(daemon: Daemon, ntp_at_start: bool) -> dict[str, str]:
    return {} if ntp_at_start else {"NTPLAB_SERVICES_DOWN": daemon.service}
