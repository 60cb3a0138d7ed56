"""What Docker tells of a container, as our `ContainerInfo`. Pure; used by `docker.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..topology import KIND_LABEL, LAB_LABEL, NODE_LABEL, docker_name
from .base import ContainerInfo


def container_info(found: Mapping[str, Any]) -> ContainerInfo:
    """From the answer of GET /containers/<name>/json."""
    labels, state = found["Config"]["Labels"], found["State"]
    lab, name = labels[LAB_LABEL], found["Name"].lstrip("/")
    return ContainerInfo(
        lab=lab,
        node=labels.get(NODE_LABEL, ""),
        kind=labels.get(KIND_LABEL, ""),
        docker_name=name,
        status=state["Status"],
        exit_code=state["ExitCode"] if state["Status"] in ("exited", "dead") else None,
        image=found["Config"]["Image"],
        ports=dict(_ports(found["NetworkSettings"]["Ports"] or {})),
        networks=_networks(lab, found["NetworkSettings"]["Networks"] or {}),
        labels=labels,
    )


def _ports(published: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    for port, bindings in published.items():
        for binding in bindings or ():
            yield int(port.partition("/")[0]), f"{binding['HostIp']}:{binding['HostPort']}"


def _networks(lab: str, names: Iterable[str]) -> tuple[str, ...]:
    prefix = docker_name(lab, "")
    return tuple(sorted(name.removeprefix(prefix) for name in names if name.startswith(prefix)))
