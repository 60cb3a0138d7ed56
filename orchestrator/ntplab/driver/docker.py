"""The lab on Docker Engine, over the Docker SDK: the real `Driver`.

Fourth stage. `docker_images.py` has the half about images. Safe to call from many threads.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import docker.errors

from ..errors import NodeError
from ..paths import SECCOMP_PROFILE
from ..topology import (
    LAB_LABEL,
    NODE_LABEL,
    NetworkSpec,
    NodeSpec,
    VolumeSpec,
    docker_name,
)
from . import terminal
from .archives import pack, unpack
from .base import ContainerInfo, EngineInfo, ExecResult, Removed
from .container_config import container_config, volume_options
from .container_info import container_info
from .docker_api import reported
from .docker_images import DockerImages
from .docker_teardown import remove_all
from .exec_stream import STDERR, STDOUT, ExecStream

TAIL_LINES = 15


class DockerDriver(DockerImages):
    """See `base.Driver`. The constructor connects, or raises `EngineError`."""

    def info(self) -> EngineInfo:
        with reported("ask the engine about itself"):
            version, info = self._api.version(), self._api.info()
        return EngineInfo(
            version=version["Version"],
            api_version=version["ApiVersion"],
            kernel=info["KernelVersion"],
            operating_system=info["OperatingSystem"],
            cpus=info["NCPU"],
            memory_bytes=info["MemTotal"],
        )

    # making

    def create_network(self, lab: str, spec: NetworkSpec) -> None:
        with reported(f"create network {spec.name}"):
            self._api.create_network(
                docker_name(lab, spec.name),
                driver="bridge",
                internal=spec.internal,
                check_duplicate=True,
                labels={LAB_LABEL: lab},
            )

    def create_volume(self, lab: str, spec: VolumeSpec) -> None:
        with reported(f"create volume {spec.name}"):
            self._api.create_volume(
                spec.name,
                driver="local",
                driver_opts=volume_options(spec),
                labels={LAB_LABEL: lab, NODE_LABEL: spec.node},
            )

    @cached_property
    def _seccomp_profile(self) -> str:
        return json.dumps(json.loads(SECCOMP_PROFILE.read_text()))

    def create(
        self, lab: str, spec: NodeSpec, files: Mapping[str, bytes], labels: Mapping[str, str]
    ) -> None:
        profile = self._seccomp_profile if spec.time_namespace else ""
        name = docker_name(lab, spec.name)
        with reported(f"create {spec.name}"):
            self._api.create_container_from_config(
                container_config(lab, spec, labels, profile), name
            )
            for network in spec.networks[1:]:
                self._api.connect_container_to_network(
                    name, docker_name(lab, network), aliases=[spec.name]
                )
            if files:
                self._api.put_archive(name, "/", pack(files))

    def put_files(self, lab: str, node: str, files: Mapping[str, bytes]) -> None:
        with reported(f"put files into {node}"):
            self._api.put_archive(docker_name(lab, node), "/", pack(files))

    def start(self, lab: str, node: str) -> None:
        with reported(f"start {node}", lambda: self.log_tail(lab, node)):
            self._api.start(docker_name(lab, node))
        if (info := self.container(lab, node)) is not None and info.exit_code:
            raise self.death(info)

    def stop(self, lab: str, node: str, timeout_s: int = 5) -> None:
        with reported(f"stop {node}"):
            self._api.stop(docker_name(lab, node), timeout=timeout_s)

    def kill(self, lab: str, node: str) -> None:
        with reported(f"kill {node}"):
            self._api.kill(docker_name(lab, node))

    def remove(self, lab: str, node: str) -> None:
        with reported(f"remove {node}"), contextlib.suppress(docker.errors.NotFound):
            self._api.remove_container(docker_name(lab, node), force=True, v=True)

    # using

    def exec(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> ExecResult:
        with self._using(lab, node, argv):
            exec_id, stream = self._exec(lab, node, argv, stdin=stdin is not None)
            with contextlib.closing(stream), _feeding(stream, stdin):
                output: dict[int, bytearray] = {STDOUT: bytearray(), STDERR: bytearray()}
                for kind, data in stream.frames():
                    output[kind] += data
            return ExecResult(
                exit_code=self._exit_code(exec_id),
                stdout=output[STDOUT].decode(errors="replace"),
                stderr=output[STDERR].decode(errors="replace"),
            )

    def exec_interactive(self, lab: str, node: str, argv: Sequence[str]) -> int:
        with_tty, source = terminal.is_terminal(), terminal.input_fd()
        with self._using(lab, node, argv):
            exec_id, stream = self._exec(lab, node, argv, stdin=source is not None, tty=with_tty)

            def resize(rows: int, columns: int) -> None:
                self._api.exec_resize(exec_id, rows, columns)

            with contextlib.closing(stream):
                terminal.join(stream, source, with_tty=with_tty, resize=resize)
            return self._exit_code(exec_id)

    def exec_stream(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> Iterator[bytes]:
        errors = bytearray()
        with self._using(lab, node, argv):
            exec_id, stream = self._exec(lab, node, argv, stdin=stdin is not None)
            with contextlib.closing(stream), _feeding(stream, stdin):
                for kind, data in stream.frames():
                    if kind == STDOUT:
                        yield data
                    else:
                        errors += data
            code = self._exit_code(exec_id)
        if code != 0:
            raise NodeError(
                f"{argv[0]} in {node} ended with exit code {code}",
                log_tail=errors.decode(errors="replace").splitlines()[-TAIL_LINES:],
            )

    @contextlib.contextmanager
    def _using(self, lab: str, node: str, argv: Sequence[str]) -> Iterator[None]:
        """Where a command fails because its container is dead, say what it died of."""
        try:
            with reported(f"run {argv[0]} in {node}"):
                yield
        except NodeError as error:
            if (info := self.container(lab, node)) and info.exit_code is not None:
                raise self.death(info) from error
            raise

    def _exec(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bool = False, tty: bool = False
    ) -> tuple[str, ExecStream]:
        terminal_kind = {"TERM": os.environ.get("TERM", "xterm")} if tty else None
        exec_id: str = self._api.exec_create(
            docker_name(lab, node), list(argv), stdin=stdin, tty=tty, environment=terminal_kind
        )["Id"]
        sock: Any = self._api.exec_start(exec_id, socket=True, tty=tty)
        response = sock._response
        reader = response.raw._fp.fp
        return exec_id, ExecStream(reader, reader.raw._sock, response.close)

    def _exit_code(self, exec_id: str) -> int:
        code = self._api.exec_inspect(exec_id)["ExitCode"]
        return 0 if code is None else int(code)

    def logs(
        self, lab: str, node: str, *, follow: bool = False, tail: int | None = None,
        stdout: bool = True, stderr: bool = True,
    ) -> Iterator[bytes]:  # fmt: skip
        with reported(f"read the log of {node}"):
            yield from self._api.logs(
                docker_name(lab, node), stdout=stdout, stderr=stderr, stream=True,
                follow=follow, tail="all" if tail is None else tail,
            )  # fmt: skip

    def log_tail(self, lab: str, node: str) -> list[str]:
        """The last log lines of a container, none when there is no such container."""
        try:
            said = b"".join(self.logs(lab, node, tail=TAIL_LINES))
        except NodeError:
            return []
        return said.decode(errors="replace").splitlines()

    def death(self, info: ContainerInfo) -> NodeError:
        """The error that says why a container is no longer running."""
        return NodeError(
            f"{info.node} died with exit code {info.exit_code}",
            hint=f"./ntplab logs {info.node}",
            log_tail=self.log_tail(info.lab, info.node),
        )

    def read_files(self, lab: str, node: str, path: str) -> dict[str, bytes]:
        with reported(f"read {path} of {node}"):
            try:
                chunks, _ = self._api.get_archive(docker_name(lab, node), path)
            except docker.errors.NotFound:
                return {}
            return unpack(path, chunks)

    def connect(self, lab: str, network: str, node: str) -> None:
        if (info := self.container(lab, node)) and network in info.networks:
            return
        with reported(f"connect {node} to network {network}"):
            self._api.connect_container_to_network(
                docker_name(lab, node), docker_name(lab, network), aliases=[node]
            )

    def disconnect(self, lab: str, network: str, node: str) -> None:
        if (info := self.container(lab, node)) and network not in info.networks:
            return
        with reported(f"disconnect {node} from network {network}"):
            self._api.disconnect_container_from_network(
                docker_name(lab, node), docker_name(lab, network)
            )

    # finding and removing

    def container(self, lab: str, node: str) -> ContainerInfo | None:
        with reported(f"look for {node}"):
            try:
                return container_info(self._api.inspect_container(docker_name(lab, node)))
            except docker.errors.NotFound:
                return None

    def containers(self, lab: str | None = None) -> list[ContainerInfo]:
        with reported("list containers"):
            found = []
            for summary in self._api.containers(all=True, filters={"label": _label(lab)}):
                with contextlib.suppress(docker.errors.NotFound):  # removed meanwhile
                    found.append(container_info(self._api.inspect_container(summary["Id"])))
        return sorted(found, key=lambda info: (info.lab, info.node))

    def labs(self) -> list[str]:
        filters = {"label": LAB_LABEL}
        with reported("list labs"):
            labelled = [
                *self._api.containers(all=True, filters=filters),
                *self._api.networks(filters=filters),
                *(self._api.volumes(filters=filters)["Volumes"] or ()),
            ]
        return sorted({thing["Labels"][LAB_LABEL] for thing in labelled})

    def remove_lab(self, lab: str) -> Removed:
        with reported(f"remove lab {lab}"):
            return remove_all(self._api, {"label": _label(lab)})


def _label(lab: str | None) -> str:
    return LAB_LABEL if lab is None else f"{LAB_LABEL}={lab}"


@contextlib.contextmanager
def _feeding(stream: ExecStream, data: bytes | None) -> Iterator[None]:
    """Send all of `data` beside the reading: a command may write before it has read all."""
    if data is None:
        yield
        return

    def feed() -> None:
        stream.send(data)
        stream.end_input()

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    yield
    feeder.join()
