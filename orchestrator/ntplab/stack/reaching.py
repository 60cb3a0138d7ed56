"""One node's hands, over their socket. Used by `driver.py`; hands.py says what goes over it."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ..driver.base import ExecResult
from ..errors import NodeError

ANSWERS_WITHIN_S = 70.0
"""Longer than hands.py lets a command run."""
LOOK_WITHIN_S = 5.0
SILENCE_MAX_S = 30.0


class Hands:
    """`socket_path` is there while the node lives."""

    def __init__(self, node: str, socket_path: Path) -> None:
        self.node, self._path = node, socket_path

    def run(self, argv: Sequence[str], stdin: bytes | None = None) -> ExecResult:
        """Raises `NodeError` when the node does not answer, or may not do that."""
        request: dict[str, Any] = {"do": "run", "argv": list(argv)}
        if stdin:
            request["stdin"] = base64.b64encode(stdin).decode()
        result = self._ask(request, ANSWERS_WITHIN_S)
        if result.exit_code == 126:
            raise NodeError(f"{self.node}: {result.stderr.strip()}")
        return result

    def restart(self, anchor_ns: int) -> None:
        """Have its program started anew."""
        self._ask({"do": "restart", "anchor_ns": anchor_ns}, ANSWERS_WITHIN_S)

    def life(self) -> str | None:
        """Another word for every life of the node's container; None while it does not answer. Who
        comes back within a blink was dead all the same."""
        try:
            return self._ask({"do": "look"}, LOOK_WITHIN_S).stdout
        except NodeError:
            return None

    def answers(self) -> bool:
        """Whether the node is there at all."""
        return self.life() is not None

    def follow(self, tail: int) -> Iterator[bytes]:
        """What its program prints, until the connection or the program's life ends."""
        try:
            with self._connect({"do": "follow", "tail": tail}, None) as connection:
                while chunk := connection.recv(65536):
                    yield chunk
        except OSError:
            return

    def _ask(self, request: dict[str, Any], within_s: float) -> ExecResult:
        try:
            with self._connect(request, within_s) as connection, connection.makefile("rb") as said:
                head = json.loads(said.readline())
                stdout, stderr = said.read(head["stdout"]), said.read(head["stderr"])
        except (OSError, ValueError) as error:
            raise NodeError(f"{self.node} does not answer: {error}") from error
        words = [part.decode(errors="replace") for part in (stdout, stderr)]
        return ExecResult(int(head["exit_code"]), *words)

    def _connect(self, request: dict[str, Any], within_s: float | None) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX)
        try:
            connection.settimeout(within_s)
            connection.connect(str(self._path))
            connection.sendall(json.dumps(request).encode() + b"\n")
        except BaseException:
            connection.close()
            raise
        return connection
