"""A lab in memory: the `Driver` of unit tests.

It keeps to Docker's rules where a caller could trip over them (no exec in a dead container,
no second network of one name), records every call, and answers `exec` as it was told to.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

from ..errors import ImageError, NodeError
from ..topology import NetworkSpec, NodeSpec, VolumeSpec, docker_name
from .base import ContainerInfo, EngineInfo, ExecResult, Removed
from .container_config import node_labels

Answer = ExecResult | Callable[[str, Sequence[str], bytes | None], ExecResult]
"""A result, or what makes one of (node, argv, stdin)."""

KILLED = 137


@dataclass
class FakeContainer:
    """One container, and what a test may put into it."""

    lab: str
    spec: NodeSpec
    files: dict[str, bytes]
    labels: dict[str, str]
    networks: set[str]
    status: str = "created"
    exit_code: int | None = None
    log: list[bytes] = field(default_factory=list)


class FakeDriver:
    """See `base.Driver`."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, ...]] = []
        self.nodes: dict[tuple[str, str], FakeContainer] = {}
        self.networks: dict[tuple[str, str], NetworkSpec] = {}
        self.volumes: dict[tuple[str, str], VolumeSpec] = {}
        self.images: dict[str, dict[str, str]] = {}
        """image -> its labels"""
        self.broken_builds: dict[str, list[str]] = {}
        """image -> the log of its build, which then fails"""
        self.registry: set[str] = set()
        """Images that can be pulled."""
        self._answers: list[tuple[str | None, tuple[str, ...], Answer]] = []
        self._failures: dict[tuple[str, str], NodeError] = {}
        self._lock = threading.Lock()

    # what a test arranges

    def answer(self, argv: Sequence[str], answer: Answer, node: str | None = None) -> None:
        """Answer commands that begin with `argv` (in `node`, or in all); the latest wins."""
        self._answers.insert(0, (node, tuple(argv), answer))

    def fail(self, call: str, node: str, error: NodeError) -> None:
        """Let the next `call` on `node` raise."""
        self._failures[call, node] = error

    def die(self, lab: str, node: str, exit_code: int = KILLED, last_words: str = "") -> None:
        """A container's main process ends by itself."""
        container = self._found(lab, node)
        container.status, container.exit_code = "exited", exit_code
        if last_words:
            container.log.append(last_words.encode() + b"\n")

    def called(self, call: str) -> list[tuple[str, ...]]:
        """The arguments of every call of that name, in order."""
        return [made[1:] for made in self.calls if made[0] == call]

    def _record(self, call: str, *about: str) -> None:
        with self._lock:
            self.calls.append((call, *about))
            failure = self._failures.pop((call, about[1] if len(about) > 1 else ""), None)
        if failure is not None:
            raise failure

    def _found(self, lab: str, node: str) -> FakeContainer:
        try:
            return self.nodes[lab, node]
        except KeyError:
            raise NodeError(f"No such container: {docker_name(lab, node)}") from None

    def _running(self, lab: str, node: str) -> FakeContainer:
        container = self._found(lab, node)
        if container.status != "running":
            raise self.death(self._info(container))
        return container

    # images

    def image_id(self, image: str) -> str | None:
        if image not in self.images:
            return None
        content = f"{image} {sorted(self.images[image].items())}"
        return "sha256:" + hashlib.sha256(content.encode()).hexdigest()

    def image_labels(self, image: str) -> dict[str, str]:
        return dict(self.images.get(image, {}))

    def pull_image(self, image: str, silence_max_s: float) -> None:
        self._record("pull_image", image)
        if image not in self.registry:
            raise ImageError(f"cannot pull {image}: no registry answers")
        self.images[image] = {}

    def import_image(self, archive: IO[bytes], image: str) -> None:
        self._record("import_image", image)
        self.images[image] = {"size": str(len(archive.read()))}

    def build_image(
        self,
        image: str,
        context: bytes,
        *,
        dockerfile: str,
        labels: Mapping[str, str],
        build_args: Mapping[str, str],
    ) -> Iterator[str]:
        self._record("build_image", image)
        yield from self.broken_builds.get(image, ())
        if image in self.broken_builds:
            raise ImageError(f"{image} could not be built: a step failed")
        self.images[image] = dict(labels)

    # making

    def info(self) -> EngineInfo:
        return EngineInfo("20.10.24", "1.41", "6.1.0", "Debian GNU/Linux 12", 2, 4 << 30)

    def create_network(self, lab: str, spec: NetworkSpec) -> None:
        self._record("create_network", lab, spec.name)
        if (lab, spec.name) in self.networks:
            raise NodeError(f"cannot create network {spec.name}: it already exists")
        self.networks[lab, spec.name] = spec

    def create_volume(self, lab: str, spec: VolumeSpec) -> None:
        self._record("create_volume", lab, spec.name)
        self.volumes[lab, spec.name] = spec

    def create(
        self, lab: str, spec: NodeSpec, files: Mapping[str, bytes], labels: Mapping[str, str]
    ) -> None:
        self._record("create", lab, spec.name)
        if (lab, spec.name) in self.nodes:
            raise NodeError(f"cannot create {spec.name}: the name is already in use")
        for network in spec.networks:
            if (lab, network) not in self.networks:
                raise NodeError(f"cannot create {spec.name}: network {network} not found")
        self.nodes[lab, spec.name] = FakeContainer(
            lab, spec, dict(files), {**labels, **node_labels(lab, spec)}, set(spec.networks)
        )

    def put_files(self, lab: str, node: str, files: Mapping[str, bytes]) -> None:
        self._record("put_files", lab, node, *sorted(files))
        self._found(lab, node).files.update(files)

    def start(self, lab: str, node: str) -> None:
        self._record("start", lab, node)
        container = self._found(lab, node)
        container.status, container.exit_code = "running", None

    def stop(self, lab: str, node: str, timeout_s: int = 5) -> None:
        self._record("stop", lab, node)
        if self._found(lab, node).status == "running":
            self.die(lab, node, exit_code=0)

    def kill(self, lab: str, node: str) -> None:
        self._record("kill", lab, node)
        self._running(lab, node)
        self.die(lab, node)

    def remove(self, lab: str, node: str) -> None:
        self._record("remove", lab, node)
        self.nodes.pop((lab, node), None)

    # using

    def exec(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> ExecResult:
        self._record("exec", lab, node, *argv)
        self._running(lab, node)
        for where, prefix, answer in self._answers:
            if where in (None, node) and tuple(argv[: len(prefix)]) == prefix:
                return answer(node, argv, stdin) if callable(answer) else answer
        return ExecResult(0, "", "")

    def exec_interactive(self, lab: str, node: str, argv: Sequence[str]) -> int:
        return self.exec(lab, node, argv).exit_code

    def exec_stream(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> Iterator[bytes]:
        result = self.exec(lab, node, argv, stdin=stdin)
        yield result.stdout.encode()
        if not result.ok:
            raise NodeError(f"{argv[0]} in {node} ended with exit code {result.exit_code}")

    def logs(
        self,
        lab: str,
        node: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        stdout: bool = True,
        stderr: bool = True,
    ) -> Iterator[bytes]:
        """What is in the log now; `follow` does not wait for more."""
        said = list(self._found(lab, node).log)
        yield from said if tail is None else said[max(0, len(said) - tail) :]

    def log_tail(self, lab: str, node: str) -> list[str]:
        if (lab, node) not in self.nodes:
            return []
        return b"".join(self.logs(lab, node, tail=15)).decode().splitlines()

    def read_files(self, lab: str, node: str, path: str) -> dict[str, bytes]:
        inside = path.rstrip("/") + "/"
        files = self._found(lab, node).files
        if path in files:
            return {path.rpartition("/")[2]: files[path]}
        return {
            name.removeprefix(inside): content
            for name, content in files.items()
            if name.startswith(inside)
        }

    def connect(self, lab: str, network: str, node: str) -> None:
        self._record("connect", lab, node, network)
        self._found(lab, node).networks.add(network)

    def disconnect(self, lab: str, network: str, node: str) -> None:
        self._record("disconnect", lab, node, network)
        self._found(lab, node).networks.discard(network)

    # finding and removing

    def container(self, lab: str, node: str) -> ContainerInfo | None:
        container = self.nodes.get((lab, node))
        return None if container is None else self._info(container)

    def containers(self, lab: str | None = None) -> list[ContainerInfo]:
        mine = [container for container in self.nodes.values() if lab in (None, container.lab)]
        return sorted(map(self._info, mine), key=lambda info: (info.lab, info.node))

    def _info(self, container: FakeContainer) -> ContainerInfo:
        spec = container.spec
        return ContainerInfo(
            lab=container.lab,
            node=spec.name,
            kind=spec.kind,
            docker_name=docker_name(container.lab, spec.name),
            status=container.status,
            exit_code=container.exit_code,
            image=spec.image,
            ports={port.container_port: f"{port.address}:{port.host_port}" for port in spec.ports},
            networks=tuple(sorted(container.networks)),
            labels=container.labels,
        )

    def death(self, info: ContainerInfo) -> NodeError:
        return NodeError(
            f"{info.node} died with exit code {info.exit_code}",
            hint=f"./ntplab logs {info.node}",
            log_tail=self.log_tail(info.lab, info.node),
        )

    def labs(self) -> list[str]:
        return sorted({lab for things in self._everything() for lab, _ in things})

    def _everything(self) -> tuple[Mapping[tuple[str, str], object], ...]:
        return self.nodes, self.networks, self.volumes

    def remove_lab(self, lab: str) -> Removed:
        self._record("remove_lab", lab)
        return Removed(
            containers=_take(self.nodes, lab, lambda name: docker_name(lab, name)),
            networks=_take(self.networks, lab, lambda name: docker_name(lab, name)),
            volumes=_take(self.volumes, lab, str),
        )


def _take(
    things: MutableMapping[tuple[str, str], Any], lab: str, full: Callable[[str], str]
) -> tuple[str, ...]:
    """Remove what belongs to `lab`; the full names of what was removed."""
    taken = sorted(name for of, name in things if of == lab)
    for name in taken:
        del things[lab, name]
    return tuple(full(name) for name in taken)
