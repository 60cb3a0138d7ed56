"""Takes a lab away: containers first, all at once, then networks, then volumes.

Used by `docker.py`. Goes by labels, so it also clears up after an orchestrator that was
killed, and what another process is removing at the same time is no error.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor

import docker
import docker.errors

from .base import Removed

GONE_WITHIN_S = 30.0
_POLL_S = 0.05
_THREADS_MAX = 16

Filters = Mapping[str, str]


def remove_all(api: docker.APIClient, filters: Filters) -> Removed:
    """Remove every container, network and volume that `filters` match."""
    by = dict(filters)
    containers = {found["Names"][0].lstrip("/") for found in api.containers(all=True, filters=by)}
    _each(containers, lambda name: api.remove_container(name, force=True, v=True))
    networks = {found["Name"] for found in api.networks(filters=by)}
    _each(networks, lambda name: _remove_network(api, name))
    volumes = {found["Name"] for found in api.volumes(filters=by)["Volumes"] or ()}
    _each(volumes, lambda name: api.remove_volume(name, force=True))
    return Removed(
        containers=tuple(sorted(containers)),
        networks=tuple(sorted(networks)),
        volumes=tuple(sorted(volumes)),
    )


def _each(names: set[str], remove: Callable[[str], None]) -> None:
    with ThreadPoolExecutor(_THREADS_MAX) as pool:
        for done in [pool.submit(_until_gone, remove, name) for name in names]:
            done.result()


def _until_gone(remove: Callable[[str], None], name: str) -> None:
    """Ask until the engine says it is not there: a conflict or a user may be about to leave."""
    deadline = time.monotonic() + GONE_WITHIN_S
    while True:
        try:
            return remove(name)
        except docker.errors.NotFound:
            return None
        except docker.errors.APIError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_POLL_S)


def _remove_network(api: docker.APIClient, name: str) -> None:
    for container in _endpoints(api, name):
        with contextlib.suppress(docker.errors.APIError):
            api.disconnect_container_from_network(container, name, force=True)
    api.remove_network(name)


def _endpoints(api: docker.APIClient, name: str) -> Sequence[str]:
    return list(api.inspect_network(name)["Containers"] or ())
