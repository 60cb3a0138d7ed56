"""What the rest of the orchestrator may ask of a container engine.

Fourth stage: topology in, running containers out. `docker.py` implements it over the
Docker SDK, `fake.py` in memory for unit tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Protocol

from ..errors import NodeError
from ..topology import NetworkSpec, NodeSpec, VolumeSpec


@dataclass(frozen=True)
class EngineInfo:
    version: str
    api_version: str
    kernel: str
    operating_system: str
    cpus: int
    memory_bytes: int


@dataclass(frozen=True)
class ExecResult:
    exit_code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True)
class ContainerInfo:
    """One container of a lab. `status` is Docker's: created, running, exited, ..."""

    lab: str
    node: str
    kind: str
    docker_name: str
    status: str
    exit_code: int | None
    image: str
    ports: Mapping[int, str]
    """container port -> "address:port" on the host"""
    networks: tuple[str, ...]
    labels: Mapping[str, str]


@dataclass(frozen=True)
class Removed:
    """What `remove_lab` took away."""

    containers: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()


class ImageStore(Protocol):
    """Images of the engine; what `setup/` needs of it."""

    def image_id(self, image: str) -> str | None:
        """Content id (sha256:...) of `image`, None if it is not there."""
        ...

    def image_labels(self, image: str) -> dict[str, str]:
        """Labels of `image`; none if it is not there."""
        ...

    def pull_image(self, image: str, silence_max_s: float) -> None:
        """Raises `ImageError` when no registry has it or none speaks for `silence_max_s`."""
        ...

    def import_image(self, archive: IO[bytes], image: str) -> None:
        """Make an image of a root file system's tar."""
        ...

    def build_image(
        self,
        image: str,
        context: bytes,
        *,
        dockerfile: str,
        labels: Mapping[str, str],
        build_args: Mapping[str, str],
    ) -> Iterator[str]:
        """Build from a context (tar), yielding the log; `ImageError` when a step fails."""
        ...


class Driver(ImageStore, Protocol):
    """All names are node names of `lab`; the driver forms the Docker names itself.

    Every method raises `EngineError` when the engine cannot be reached, and `NodeError`
    (with the container's last log lines) when one container is the cause.
    """

    def info(self) -> EngineInfo: ...

    # making
    def create_network(self, lab: str, spec: NetworkSpec) -> None: ...
    def create_volume(self, lab: str, spec: VolumeSpec) -> None: ...
    def create(
        self, lab: str, spec: NodeSpec, files: Mapping[str, bytes], labels: Mapping[str, str]
    ) -> None:
        """Create a container, not started; `files` (absolute path -> content) are put into it,
        owned by uid 1000, mode 0400 under /etc/ntplab/secrets/, 0644 elsewhere."""
        ...

    def put_files(self, lab: str, node: str, files: Mapping[str, bytes]) -> None:
        """Put files into a container that is there, as `create` does."""
        ...

    def start(self, lab: str, node: str) -> None: ...
    def stop(self, lab: str, node: str, timeout_s: int = 5) -> None: ...
    def kill(self, lab: str, node: str) -> None: ...
    def remove(self, lab: str, node: str) -> None: ...

    # using
    def exec(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> ExecResult: ...
    def exec_interactive(self, lab: str, node: str, argv: Sequence[str]) -> int:
        """Attach this process's stdin, stdout and stderr (a tty if they are one); the exit code."""
        ...

    def exec_stream(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> Iterator[bytes]:
        """Stdout of a command as it comes, in chunks; for large output."""
        ...

    def logs(
        self,
        lab: str,
        node: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        stdout: bool = True,
        stderr: bool = True,
    ) -> Iterator[bytes]: ...
    def log_tail(self, lab: str, node: str) -> list[str]:
        """The last log lines of a container, none when there is no such container."""
        ...

    def read_files(self, lab: str, node: str, path: str) -> dict[str, bytes]:
        """Every regular file under `path`, keyed by its path relative to it; none when
        there is no such path. Works on dead containers."""
        ...

    def connect(self, lab: str, network: str, node: str) -> None: ...
    def disconnect(self, lab: str, network: str, node: str) -> None: ...

    # finding and removing
    def container(self, lab: str, node: str) -> ContainerInfo | None: ...
    def containers(self, lab: str | None = None) -> list[ContainerInfo]: ...
    def death(self, info: ContainerInfo) -> NodeError:
        """The error that says why a container is no longer running."""
        ...

    def labs(self) -> list[str]:
        """Every lab that still has a labelled container, network or volume."""
        ...

    def remove_lab(self, lab: str) -> Removed:
        """Remove all that carries the lab's label; safe to call twice, and on half-made labs."""
        ...
