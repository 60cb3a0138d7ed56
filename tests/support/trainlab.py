"""A lab in memory whose train nodes are real: `FakeDriver` around the nodes' own host and control.

Lines pass between nodes that run, are on the network of the others, and know each other as
neighbors; asking any node is what makes time pass. Only a client's own load is simpler than the
real one: it makes its requests at once.
"""

from __future__ import annotations

import json
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ntplab.driver.base import ExecResult
from ntplab.driver.fake import FakeContainer, FakeDriver
from ntplab.labtime import raw_ns
from ntplab.topology import APP_NETWORK
from ntplab.train_plan import TRAIN_CONFIG_PATH
from train import clocks, commands
from train.config import read_config
from train.control import Control, load_of
from train.host import Host
from train.link import Impairment
from train.plain import plain
from train.store import Store

CONTROL = ["python3", "-I", "-c"]


class TrainNode:
    """One life of a node. `air` is where its lines go."""

    def __init__(self, folder: Path, container: FakeContainer, air: deque[tuple[str, str]]) -> None:
        folder.mkdir(exist_ok=True)
        config = read_config(container.files[TRAIN_CONFIG_PATH].decode())
        self.links = dict.fromkeys(config.neighbors, Impairment())
        self.load = {"running": False, "made": 0}
        self._store = Store(folder / "node.db")
        self.host = Host(
            config.birth(), settings=config.settings, rules=config.rules(), store=self._store,
            snapshots=folder, clocks=clocks.read,
            send=lambda line: air.append((config.name, line)),
            log=lambda what: container.log.append(json.dumps(what).encode() + b"\n"),
        )  # fmt: skip
        self.control = Control(self.host, self._impair, self._load, self._more)
        self.host.start()

    def close(self) -> None:
        self._store.close()

    def _impair(self, peer: str | None, impairment: Impairment) -> None:
        for name in self.links:
            if peer in (None, name):
                self.links[name] = impairment

    def _load(self, request: Any) -> dict[str, Any]:
        self.load["running"] = request["action"] == "start"
        if request["action"] == "start":
            self.load["made"] += 1
            self.host.command(commands.reserve, load_of(request).wishes[0])
        return self.load

    def _more(self) -> dict[str, Any]:
        return {"links": {peer: plain(bent) for peer, bent in self.links.items()}}


class TrainDriver(FakeDriver):
    """`deaf` nodes do not answer; `stubborn` ones leave their links as they are; `unborn` ones do
    not come up when they are started."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder
        self.train: dict[str, TrainNode] = {}
        self.deaf: set[str] = set()
        self.stubborn: set[str] = set()
        self.unborn: set[str] = set()
        self._ended: Counter[str] = Counter()
        """How many lives of each node are over."""
        self._air: deque[tuple[str, str]] = deque()
        self._turn = threading.RLock()
        self._said = threading.Condition(self._turn)
        self.answer(CONTROL, self._ask)

    def start(self, lab: str, node: str) -> None:
        super().start(lab, node)
        container = self.nodes[lab, node]
        with self._turn:
            if node == "observer":
                ready = {"t": "ready", "raw_ns": raw_ns(), "lab_ns": 0}
                container.log.append(json.dumps(ready).encode() + b"\n")
            elif TRAIN_CONFIG_PATH in container.files and node not in self.unborn:
                self.train[node] = TrainNode(self.folder / node, container, self._air)
            self._said.notify_all()

    def die(self, lab: str, node: str, exit_code: int = 137, last_words: str = "") -> None:
        super().die(lab, node, exit_code, last_words)
        with self._turn:
            self._ended[node] += 1
            if node in self.train:
                self.train.pop(node).close()
            self._said.notify_all()

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
        """Following goes on until the container ends, as an engine's does."""
        if not follow:
            yield from super().logs(lab, node, tail=tail)
            return
        container, given, ended = self._found(lab, node), 0, self._ended[node]
        while True:
            with self._turn:
                while given == len(container.log):
                    if self._ended[node] > ended or (lab, node) not in self.nodes:
                        return
                    self._said.wait(0.5)
                fresh, given = container.log[given:], len(container.log)
            yield from fresh

    def _ask(self, node: str, _argv: Sequence[str], stdin: bytes | None) -> ExecResult:
        with self._turn:
            if node in self.deaf or node not in self.train:
                return ExecResult(1, "", "ConnectionRefusedError: [Errno 111] Connection refused")
            answers = [self._answer(node, line) for line in (stdin or b"").splitlines()]
            self._said.notify_all()
        return ExecResult(0, "".join(f"{answer}\n" for answer in answers), "")

    def _answer(self, node: str, line: bytes) -> str:
        if node in self.stubborn and json.loads(line)["do"] == "link":
            return json.dumps({"ok": None})
        answer = self.train[node].control.answer(line.decode())
        for train in self.train.values():
            train.host.tick()
        while self._air:
            self._carry(*self._air.popleft())
        return answer

    def _carry(self, sender: str, line: str) -> None:
        for peer in self.train[sender].links if sender in self.train else ():
            if peer in self.train and self._is_on(sender) and self._is_on(peer):
                self.train[peer].host.receive(line)

    def _is_on(self, node: str) -> bool:
        return any(
            APP_NETWORK in container.networks
            for (_, name), container in self.nodes.items()
            if name == node
        )
