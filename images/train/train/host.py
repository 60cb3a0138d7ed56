"""A node's shell, whatever carries its lines: state is durable before anything is let out.

A carrier (`tcp.py`, `airplug.py`, a test) calls `receive`, `tick` and `command`, one at a time.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar

from . import codec, deliver
from .envelope import Envelope
from .errors import DamagedError, StoreError
from .messages import KIND_OF
from .node import Node, Result, Settings
from .office_state import Rules
from .plain import plain
from .reading import Reading
from .snapshot import Snapshot, document, read_document
from .store import Store
from .ticket import BadValueError
from .turn import Turn, passed_before

P = ParamSpec("P")
T = TypeVar("T")

REASONS_MAX = 50
OTHER_REASONS = "other reasons"
"""Reasons quote the line: garbage must not fill the memory with them."""


class Host:
    """One node, its file and its clocks.

    `send` hands a line's payload to every neighbor; `log` takes a JSON document for each thing
    that happened. Raises `StoreError` when `store` holds another node than `birth`.
    """

    def __init__(
        self,
        birth: Node,
        *,
        settings: Settings,
        rules: Rules | None,
        store: Store,
        snapshots: Path,
        clocks: Callable[[], Reading],
        send: Callable[[str], None],
        log: Callable[[dict[str, Any]], None],
    ) -> None:
        self.settings = settings
        self.rules = rules
        self.rejected: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()
        """Messages let out in this life, by kind, repetitions included; `forwarded` are others',
        `seen before` came again and were not."""
        self._store = store
        self._snapshots = snapshots
        self._clocks = clocks
        self._send = send
        self._log = log
        saved = store.load()
        if saved is not None and (saved.name, saved.office_name) != (birth.name, birth.office_name):
            raise DamagedError(
                f"the state is of node {saved.name} (office {saved.office_name}), "
                f"not of {birth.name} (office {birth.office_name})"
            )
        self._saved = saved
        self._out_snapshots: list[Snapshot] = []
        self._out_facts: list[dict[str, Any]] = []
        self._out_lines: list[str] = []
        self.node = saved if saved is not None else birth

    def start(self) -> None:
        """Once, before anything else."""
        reading = self._clocks()
        self._take(deliver.start(self.node, self.settings, self.rules, reading), reading)
        self._let_out()
        self.log("started", reading, incarnation=self.node.incarnation)

    def receive(self, payload: str) -> None:
        """A line from a neighbor; one that is no message is counted, logged and changes nothing."""
        self.receive_all((payload,))

    def receive_all(self, payloads: Iterable[str]) -> None:
        """Lines that came together: state is written once for all of them."""
        for payload in payloads:
            try:
                self._receive(payload)
            except BadValueError as error:
                self.reject(str(error))
        self._let_out()

    def _receive(self, payload: str) -> None:
        fields = codec.checked_fields(payload)
        name = codec.name_of(fields)
        if name is not None and passed_before(self.node, *name):
            # Every other line of a flooded ring: not worth opening.
            self.messages["seen before"] += 1
            return
        envelope = codec.opened(fields)
        reading = self._clocks()
        result = deliver.receive(self.node, self.settings, self.rules, reading, envelope)
        self._take(result, reading, payload)

    def reject(self, reason: str) -> None:
        """Count and log a line that is no message."""
        known = reason in self.rejected or len(self.rejected) < REASONS_MAX
        self.rejected[reason if known else OTHER_REASONS] += 1
        self.log("rejected", reason=reason)

    def tick(self) -> None:
        """Time has passed."""
        reading = self._clocks()
        self._take(deliver.tick(self.node, self.settings, self.rules, reading), reading)
        self._let_out()

    def command(
        self,
        do: Callable[Concatenate[Turn, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T:
        """Carry out one of `commands`; raises `BadValueError`, and then nothing has changed."""
        reading = self._clocks()
        turn = Turn(self.node, self.settings, self.rules, reading)
        value = do(turn, *args, **kwargs)
        self._take(turn.result(), reading)
        self._let_out()
        return value

    def next_due_ns(self) -> int | None:
        """When `tick` has something to do, on the monotonic clock; None: not before a message."""
        return deliver.next_due_ns(self.node, self.rules, self._clocks())

    def snapshot(self, epoch: int) -> Snapshot:
        """The snapshot of that epoch from its file. Raises `BadValueError`."""
        path = self._snapshot_path(epoch)
        try:
            text = path.read_text()
        except OSError as error:
            known = ", ".join(map(str, self.snapshot_epochs())) or "none"
            raise BadValueError(f"no snapshot {epoch}; there are: {known}") from error
        except ValueError as error:
            raise BadValueError(f"{path.name}: the snapshot is damaged: {error}") from error
        return read_document(text)

    def snapshot_epochs(self) -> list[int]:
        """Epochs that have a file, lowest first."""
        names = [
            path.stem.removeprefix("snapshot-") for path in self._snapshots.glob("snapshot-*.json")
        ]
        return sorted(int(name) for name in names if name.isdigit())

    def _snapshot_path(self, epoch: int) -> Path:
        return self._snapshots / f"snapshot-{epoch}.json"

    def _take(self, result: Result, reading: Reading, payload: str = "") -> None:
        """Be what came of an event; what goes out waits for `_let_out`. `payload` is the line that
        the event was, to be passed on as it is.

        Raises `BadValueError` when a message does not fit a line, and then nothing has changed:
        an event of which something cannot be said has not happened.
        """
        lines = [self._line(envelope, payload) for envelope in result.sends]
        self.node = result.node
        self._out_snapshots += result.snapshots
        self._out_facts += [self._stamped("fact", reading, **plain(fact)) for fact in result.facts]
        self._out_lines += lines
        for envelope in result.sends:
            own = envelope.origin == self.node.name
            self.messages[KIND_OF[type(envelope.body)] if own else "forwarded"] += 1

    def _line(self, envelope: Envelope, payload: str) -> str:
        own = envelope.origin == self.node.name
        return codec.encode(envelope) if own else codec.passed_on(payload, envelope)

    def _let_out(self) -> None:
        """Make the state durable, then say and send what came of it.

        A snapshot's file comes first: were the node killed in between, its last message would
        come again and make the same file again.
        """
        for snapshot in self._out_snapshots:
            try:
                write_atomically(self._snapshot_path(snapshot.epoch), document(snapshot))
            except OSError as error:
                raise StoreError(f"snapshot {snapshot.epoch} cannot be written: {error}") from error
        self._store.save(self._saved, self.node)
        self._saved = self.node
        facts, lines = self._out_facts, self._out_lines
        self._out_snapshots, self._out_facts, self._out_lines = [], [], []
        for fact in facts:
            self._log(fact)
        for line in lines:
            self._send(line)

    def log(self, kind: str, reading: Reading | None = None, **what: Any) -> None:
        """One document for the log, with the node's stamps and clocks."""
        self._log(self._stamped(kind, reading or self._clocks(), **what))

    def _stamped(self, kind: str, reading: Reading, **what: Any) -> dict[str, Any]:
        return {
            "t": kind,
            "node": self.node.name,
            "lamport": self.node.lamport,
            "epoch": self.node.epoch,
            "generation": self.node.generation,
            "wall_ns": reading.wall_ns,
            "monotonic_ns": reading.monotonic_ns,
            "raw_ns": reading.raw_ns,
            **what,
        }


def write_atomically(path: Path, text: str) -> None:
    """The whole text or what was there before, whenever the process is killed."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
