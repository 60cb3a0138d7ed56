"""The `Driver` of the demo stack: nodes are there already, and are reached through their hands.

What only an engine could do (make containers, take them off a network) it refuses.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from ..driver.base import ContainerInfo, EngineInfo, ExecResult, Removed
from ..errors import NodeError, UsageError
from ..scenario.nodes import BUYERS, DATABASE, OBSERVER
from ..standing import PLAN_JSON_LABEL
from ..topology import NetworkSpec, NodeSpec, VolumeSpec
from .preparing import CONFIG, LAB, NODES, PLAN_FILE, TIME_SERVER
from .reaching import Hands

SOCKETS = Path("/hands")
AGAIN_AFTER_S = 0.5
KINDS = {OBSERVER: "observer", TIME_SERVER: "timeserver", DATABASE: "database", BUYERS: "buyers"}
IMAGES = {TIME_SERVER: "timeserver", DATABASE: "postgres", OBSERVER: "observer", BUYERS: "buyers"}
NETWORKS = {TIME_SERVER: ("time",), DATABASE: ("app",), BUYERS: ("app",)}
DIED = -1
"""Whoever does not answer has died; of what, only the engine knows."""


class HandsDriver:
    """See `driver.base.Driver`. There is one lab, of a fixed name."""

    def __init__(self, config: Path = CONFIG, sockets: Path = SOCKETS) -> None:
        self.plan = (config / PLAN_FILE).read_text()
        """as JSON: what the lab was made from, with the policy that is in force"""
        self._hands = {node: Hands(node, sockets / node / "socket") for node in NODES}

    def of(self, node: str) -> Hands:
        """The hands of one node."""
        try:
            return self._hands[node]
        except KeyError:
            raise NodeError(f"{node}: there is no such node in the stack") from None

    # using

    def exec(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> ExecResult:
        return self.of(node).run(argv, stdin)

    def exec_stream(
        self, lab: str, node: str, argv: Sequence[str], *, stdin: bytes | None = None
    ) -> Iterator[bytes]:
        result = self.exec(lab, node, argv, stdin=stdin)
        if not result.ok:
            tail = result.stderr.splitlines()[-5:]
            raise NodeError(f"{node}: {argv[0]} ended with {result.exit_code}", log_tail=tail)
        yield result.stdout.encode()

    def exec_interactive(self, lab: str, node: str, argv: Sequence[str]) -> int:
        raise _not_here("a terminal in a node")

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
        """What the observer or the buyers say. The observer is followed into its next life; the
        buyers' load is gone with them, so theirs ends."""
        hands, lines = self.of(node), 1 << 30 if tail is None else tail
        while True:
            yield from hands.follow(lines)
            yield b"\n"  # what was cut off is a line of its own
            if node == BUYERS or not follow:
                return
            time.sleep(AGAIN_AFTER_S)
            lines = 0

    def log_tail(self, lab: str, node: str) -> list[str]:
        return []

    def read_files(self, lab: str, node: str, path: str) -> dict[str, bytes]:
        return {}

    # the buyers are made anew by their own hands

    def create(
        self, lab: str, spec: NodeSpec, files: Mapping[str, bytes], labels: Mapping[str, str]
    ) -> None:
        if spec.name != BUYERS:
            raise _not_here("making a container")
        self.of(BUYERS).restart(int(spec.environment["NTPLAB_ANCHOR_NS"]))

    def start(self, lab: str, node: str) -> None:
        """They run since `create`."""

    def remove(self, lab: str, node: str) -> None:
        """They stay; the next `create` ends what they were doing."""

    # finding

    def labs(self) -> list[str]:
        return [LAB]

    def containers(self, lab: str | None = None) -> list[ContainerInfo]:
        return [self._info(node) for node in NODES]

    def container(self, lab: str, node: str) -> ContainerInfo | None:
        return self._info(node) if node in self._hands else None

    def _info(self, node: str) -> ContainerInfo:
        alive = self._hands[node].answers()
        return ContainerInfo(
            lab=LAB,
            node=node,
            kind=KINDS.get(node, "server"),
            docker_name=node,
            status="running" if alive else "exited",
            exit_code=None if alive else DIED,
            image=f"ntplab/{IMAGES.get(node, 'booking')}",
            ports={},
            networks=NETWORKS.get(node, ("app", "time")),
            labels={PLAN_JSON_LABEL: self.plan},
        )

    def death(self, info: ContainerInfo) -> NodeError:
        return NodeError(f"{info.node} does not answer", hint=f"docker compose logs {info.node}")

    def info(self) -> EngineInfo:
        """The engine is out of reach, and of sight."""
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        return EngineInfo(
            "compose", "", platform.release(), platform.system(), os.cpu_count() or 1, memory
        )

    # what only an engine can do

    def create_network(self, lab: str, spec: NetworkSpec) -> None:
        raise _not_here("making a network")

    def create_volume(self, lab: str, spec: VolumeSpec) -> None:
        raise _not_here("making a volume")

    def put_files(self, lab: str, node: str, files: Mapping[str, bytes]) -> None:
        raise _not_here("putting files into a node")

    def stop(self, lab: str, node: str, timeout_s: int = 5) -> None:
        raise _not_here("stopping a node")

    def kill(self, lab: str, node: str) -> None:
        raise _not_here("killing a node")

    def connect(self, lab: str, network: str, node: str) -> None:
        raise _not_here("changing a network")

    def disconnect(self, lab: str, network: str, node: str) -> None:
        raise _not_here("changing a network")

    def remove_lab(self, lab: str) -> Removed:
        raise _not_here("taking the lab down")

    def image_id(self, image: str) -> str | None:
        return None

    def image_labels(self, image: str) -> dict[str, str]:
        return {}

    def pull_image(self, image: str, silence_max_s: float) -> None:
        raise _not_here("pulling an image")

    def import_image(self, archive: IO[bytes], image: str) -> None:
        raise _not_here("making an image")

    def build_image(
        self,
        image: str,
        context: bytes,
        *,
        dockerfile: str,
        labels: Mapping[str, str],
        build_args: Mapping[str, str],
    ) -> Iterator[str]:
        raise _not_here("building an image")


def _not_here(what: str) -> UsageError:
    return UsageError(
        f"{what} is not possible in the demo stack", hint="this page has no hold of Docker"
    )
