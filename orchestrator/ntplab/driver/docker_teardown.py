"""Takes a lab away: containers first, then volumes, then networks.

Used by `docker.py`. Goes by labels, so it also clears up after an orchestrator that was
killed, and what another process is removing at the same time is no error.

One after the other: engines are known to lose count of a network's endpoints when many go at
once (moby/moby#42119), and such a network cannot be removed until the engine is restarted.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from functools import partial

import docker
import docker.errors

from .base import Removed

GONE_WITHIN_S = 30.0
LEFT_WITHIN_S = 5.0
_POLL_S = 0.05

Filters = Mapping[str, str]


def remove_all(api: docker.APIClient, filters: Filters) -> Removed:
    """Remove every container, network and volume that `filters` match."""
    by = dict(filters)
    containers = {found["Names"][0].lstrip("/") for found in api.containers(all=True, filters=by)}
    for name in containers:
        _until_gone(partial(api.remove_container, name, force=True, v=True))
    volumes = {found["Name"] for found in api.volumes(filters=by)["Volumes"] or ()}
    for name in volumes:
        _until_gone(partial(api.remove_volume, name, force=True))
    networks = {found["Name"] for found in api.networks(filters=by)}
    for name in networks:
        _remove_network(api, name)
    return Removed(
        containers=tuple(sorted(containers)),
        networks=tuple(sorted(networks)),
        volumes=tuple(sorted(volumes)),
    )


def _until_gone(remove: Callable[[], object], within_s: float = GONE_WITHIN_S) -> None:
    """Ask until the engine says it is not there: a conflict or a user may be about to leave."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            remove()
            return
        except docker.errors.NotFound:
            return
        except docker.errors.APIError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL_S)


def _remove_network(api: docker.APIClient, name: str) -> None:
    """Only who is still there after a while is thrown out: that, too, can upset the count."""
    try:
        _until_gone(partial(api.remove_network, name), LEFT_WITHIN_S)
    except docker.errors.APIError:
        with contextlib.suppress(docker.errors.APIError):
            for container in api.inspect_network(name)["Containers"] or ():
                api.disconnect_container_from_network(container, name, force=True)
        _until_gone(partial(api.remove_network, name), LEFT_WITHIN_S)
