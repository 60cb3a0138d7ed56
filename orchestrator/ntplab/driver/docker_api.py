"""The connection to Docker Engine, and what its errors mean in our words.

Below `docker.py` and `docker_images.py`, which make the calls. Nothing outside this folder
imports the Docker SDK.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import docker
import docker.errors
import docker.utils
import requests
import urllib3

from ..errors import EngineDenied, EngineError, ImageError, NodeError

# Bringing up a lab talks to the engine from one thread per node.
CONNECTIONS_MAX = 64
REPLY_TIMEOUT_S = 120

UNREACHABLE = (
    docker.errors.DockerException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
)

_TAKEN = re.compile(r"port is already allocated|address already in use")
_MISCOUNTED = re.compile(r"has active endpoints")
_ADDRESS = re.compile(r"(\d+\.\d+\.\d+\.\d+|\[[0-9a-f:]+\]):(\d+)")


def connect() -> docker.APIClient:
    """A client for the engine that DOCKER_HOST names, else the local one.

    Raises `EngineError` when it does not answer.
    """
    try:
        return docker.APIClient(
            version="auto",
            timeout=REPLY_TIMEOUT_S,
            max_pool_size=CONNECTIONS_MAX,
            **docker.utils.kwargs_from_env(),
        )
    except UNREACHABLE as error:
        raise unreachable(error) from error


def engine_trouble() -> EngineError | None:
    """None when the engine answers, else why not."""
    try:
        connect().close()
    except EngineError as error:
        return error
    return None


def unreachable(error: Exception) -> EngineError:
    """The engine itself is the problem, not one container."""
    if "PermissionError" in str(error) or isinstance(error, PermissionError):
        return EngineDenied(
            "no right to use Docker Engine's socket",
            hint="sudo usermod -aG docker $USER, log in again; or run ntplab with sudo",
        )
    return EngineError(
        f"Docker Engine does not answer: {_innermost(error)}",
        hint="./ntplab doctor says what is missing",
    )


@contextmanager
def reported(doing: str, tail: Callable[[], list[str]] = list) -> Iterator[None]:
    """Turn the SDK's errors into ours. `tail` fetches log lines that may explain a failure."""
    try:
        yield
    except docker.errors.ImageNotFound as error:
        hint = "./ntplab up, run and demo build the images they need"
        raise ImageError(f"cannot {doing}: {words(error)}", hint=hint) from error
    except docker.errors.APIError as error:
        raise _node_error(doing, words(error), tail()) from error
    except UNREACHABLE as error:
        raise unreachable(error) from error


def words(error: docker.errors.APIError) -> str:
    """What the engine said, without the SDK's wrapping."""
    return str(error.explanation or error).strip()


def _node_error(doing: str, said: str, log_tail: list[str]) -> NodeError:
    if _TAKEN.search(said):
        address = _ADDRESS.search(said)
        port = f"port {address[2]} of {address[1]}" if address else "a published port"
        return NodeError(
            f"cannot {doing}: {port} is already taken",
            hint="`docker ps` and `ss -ltnp` show by whom; stop it or choose another port",
        )
    if _MISCOUNTED.search(said):
        return NodeError(
            f"cannot {doing}: {said}",
            hint="if no container is left in it, the engine has lost count: restart the engine, "
            "then try again",
        )
    return NodeError(f"cannot {doing}: {said}", log_tail=log_tail)


def _innermost(error: BaseException) -> str:
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return str(error) or type(error).__name__
