"""Hands a question to a node's own `ntplab-train ask`, and its answer to the user; for train.py."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import typer

from ..driver.base import Driver
from ..errors import FaultError, UsageError
from ..faults.handle import each
from ..scenario.faults import EVERYBODY
from ..train_plan import TRAIN_CONFIG_PATH
from .options import connect, pick_lab
from .output import out

REFUSED, USAGE = 1, 2


@dataclass(frozen=True)
class TrainLab:
    """A running lab with a train system: its office and its clients."""

    driver: Driver
    name: str
    office: str
    clients: tuple[str, ...]
    running: frozenset[str]

    @property
    def nodes(self) -> tuple[str, ...]:
        return (self.office, *self.clients)

    def is_running(self, node: str) -> bool:
        return node in self.running

    def node(self, wanted: str) -> str:
        """`wanted`, if it is a node. Raises `UsageError`."""
        return _known(wanted, self.nodes, self.name)

    def client(self, wanted: str) -> str:
        """`wanted`, if it is a client. Raises `UsageError`."""
        return _known(wanted, self.clients, self.name)

    def several(self, wanted: str, among: Sequence[str]) -> list[str]:
        """`all`, or one of these nodes."""
        return list(among) if wanted == EVERYBODY else [_known(wanted, among, self.name)]


def _known(wanted: str, among: Sequence[str], lab: str) -> str:
    if wanted not in among:
        hint = f"there are: {', '.join(among)}"
        raise UsageError(f"no such node {wanted!r} in lab {lab}, or not for this", hint=hint)
    return wanted


def train_lab(wanted: str | None) -> TrainLab:
    """The lab that is meant. Raises `UsageError` for one with another system in it."""
    driver = connect()
    name = pick_lab(driver, wanted)
    found = [c for c in driver.containers(name) if c.image.partition(":")[0].endswith("/train")]
    if not found:
        raise UsageError(
            f"lab {name} has no train system in it",
            hint="./ntplab up playbooks/scenarios/train-confirmed.yaml starts one",
        )
    nodes = sorted(c.node for c in found)
    config = driver.read_files(name, nodes[0], TRAIN_CONFIG_PATH)
    office = str(json.loads(next(iter(config.values())))["office"])
    clients = tuple(node for node in nodes if node != office)
    running = frozenset(c.node for c in found if c.status == "running")
    return TrainLab(driver, name, office, clients, running)


def ask(lab: TrainLab, node: str, words: Sequence[str], *, stdin: bytes | None = None) -> str:
    """The answer of one node as it prints it. Raises `UsageError` for a question that makes no
    sense, `FaultError` for a node that does not answer, `typer.Exit(1)` where it refuses."""
    if not lab.is_running(node):
        raise FaultError(f"{node} is not running", hint=f"./ntplab train restart {node}")
    done = lab.driver.exec(lab.name, node, ["ntplab-train", "ask", *words], stdin=stdin)
    if done.ok:
        return done.stdout
    what, hint = _words(done.stderr)
    if done.exit_code == USAGE:
        verb = " ".join(word for word in words[:2] if word.isalpha())
        raise UsageError(
            f"{node}: {what}", hint=hint or f"./ntplab train {verb} -h shows how to use it"
        )
    if done.exit_code == REFUSED:
        if done.stdout.strip():
            # A request that ended without a ticket is an answer all the same.
            show(done.stdout)
        else:
            out.say(f"error: {node} refuses: {what}")
        raise typer.Exit(REFUSED)
    raise FaultError(f"{node}: {what or 'does not answer'}", hint=hint)


def ask_all(lab: TrainLab, nodes: Sequence[str], words: Sequence[str]) -> dict[str, Any]:
    """The answers of several nodes, as JSON values."""
    told = each(nodes, lambda node: json.loads(ask(lab, node, ["--json", *words]) or "null"))
    return dict(zip(nodes, told, strict=True))


def show(text: str) -> None:
    """A node's own words, as they are."""
    out.text(text.rstrip("\n"))


def answer(lab: TrainLab, node: str, words: Sequence[str], *, as_json: bool) -> None:
    """Ask one node and show what it says."""
    if not as_json:
        show(ask(lab, node, words))
        return
    told = json.loads(ask(lab, node, ["--json", *words]) or "null")
    out.json({"schema": 1, "lab": lab.name, "node": node, "answer": told})


def _words(stderr: str) -> tuple[str, str]:
    """What the node's program said, and its hint."""
    what, hint = "", ""
    for line in stderr.strip().splitlines():
        if line.startswith("hint: "):
            hint = line.removeprefix("hint: ")
        elif "error: " in line:
            what = line.partition("error: ")[2]
    return what or stderr.strip().rpartition("\n")[2], hint
