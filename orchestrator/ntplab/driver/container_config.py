"""A `NodeSpec` as the document Docker's Engine API wants. Pure; used by `docker.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..topology import (
    KIND_LABEL,
    LAB_LABEL,
    NODE_LABEL,
    NodeSpec,
    VolumeSpec,
    docker_name,
)

OWNER_UID = 1000
MEMORY_MAX_BYTES = 2 << 30
PROCESSES_MAX = 1024
# The observer's and the buyers' evidence travels through the log: it must never rotate away.
LOG_SIZE_MAX = "2g"
TMP_OPTIONS = "rw,nosuid,nodev,mode=1777,size=256m"

Config = dict[str, Any]


def container_config(
    lab: str, spec: NodeSpec, labels: Mapping[str, str], seccomp_profile: str
) -> Config:
    """Body of POST /containers/create, on the first of the node's networks only.

    (Engine before 25 takes no more than one there.) `seccomp_profile` is the JSON text of the
    profile that allows entering a time namespace.
    """
    config: Config = {
        "Image": spec.image,
        "Hostname": spec.name,
        "User": f"{OWNER_UID}:{OWNER_UID}",
        "Env": [f"{name}={value}" for name, value in sorted(spec.environment.items())],
        "Labels": {**labels, **node_labels(lab, spec)},
        "ExposedPorts": {f"{port.container_port}/tcp": {} for port in spec.ports},
        "HostConfig": _host_config(lab, spec, seccomp_profile),
    }
    if spec.command:
        config["Cmd"] = list(spec.command)
    if spec.entrypoint:
        config["Entrypoint"] = list(spec.entrypoint)
    if spec.networks:
        network = docker_name(lab, spec.networks[0])
        config["NetworkingConfig"] = {"EndpointsConfig": {network: {"Aliases": [spec.name]}}}
    return config


def node_labels(lab: str, spec: NodeSpec) -> dict[str, str]:
    """The labels by which a node is found again."""
    return {LAB_LABEL: lab, NODE_LABEL: spec.name, KIND_LABEL: spec.kind}


def _host_config(lab: str, spec: NodeSpec, seccomp_profile: str) -> Config:
    security = ["no-new-privileges"]
    if spec.time_namespace:
        security.append(f"seccomp={seccomp_profile}")
    return {
        "NetworkMode": docker_name(lab, spec.networks[0]) if spec.networks else "none",
        "CapDrop": ["ALL"],
        "SecurityOpt": security,
        "Mounts": _mounts(spec),
        "PortBindings": _port_bindings(spec),
        "Tmpfs": {"/tmp": TMP_OPTIONS},
        "Sysctls": {"net.ipv4.ip_unprivileged_port_start": "0"},
        "LogConfig": {"Type": "json-file", "Config": {"max-size": LOG_SIZE_MAX}},
        "Memory": MEMORY_MAX_BYTES,
        "CpuShares": spec.cpu_shares,
        "PidsLimit": PROCESSES_MAX,
        "RestartPolicy": {"Name": "no"},
        "Init": False,  # the images bring tini
    }


def _mounts(spec: NodeSpec) -> list[Config]:
    return [
        {
            "Type": "volume",
            "Source": mount.volume,
            "Target": mount.path,
            "ReadOnly": mount.read_only,
            # A clock page is made by the observer, never copied out of an image.
            "VolumeOptions": {"NoCopy": True},
        }
        for mount in spec.mounts
    ]


def _port_bindings(spec: NodeSpec) -> Config:
    return {
        f"{port.container_port}/tcp": [{"HostIp": port.address, "HostPort": str(port.host_port)}]
        for port in spec.ports
    }


def volume_options(spec: VolumeSpec) -> dict[str, str]:
    """Options of the local volume driver: a small tmpfs that belongs to the lab's user."""
    owner = f"uid={OWNER_UID},gid={OWNER_UID},mode=0755"
    return {"type": "tmpfs", "device": "tmpfs", "o": f"size={spec.size_kib}k,{owner}"}
