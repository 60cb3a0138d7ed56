"""Asks nodes of the train system, and does to them what no other node has done to it.

The question goes to the node's control socket (images/train/train/control.py lists them) by a
few lines sent there: starting the node's own program would cost ten times as much.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ..errors import FaultError
from ..faults.handle import LabHandle, until
from ..topology import APP_NETWORK

SOCKET = "/var/lib/ntplab/train/control.sock"
SEEN_WITHIN_S = 10.0
_SCRIPT = f"""
import socket, sys
node = socket.socket(socket.AF_UNIX)
node.settimeout(30)
node.connect("{SOCKET}")
answers = node.makefile("r")
for line in sys.stdin:
    node.sendall(line.encode())
    sys.stdout.write(answers.readline())
"""


def ask(lab: LabHandle, node: str, *requests: Mapping[str, Any]) -> list[Any]:
    """The node's answers. Raises `FaultError` when it does not answer, or refuses one."""
    lines = "".join(json.dumps(request) + "\n" for request in requests).encode()
    done = lab.driver.exec(lab.lab, node, ["python3", "-I", "-c", _SCRIPT], stdin=lines)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    if not done.ok or len(answers) != len(requests):
        raise FaultError(
            f"{node} does not answer",
            log_tail=done.stderr.strip().splitlines()[-1:],
            hint=f"look at the node with `./ntplab logs {node}`",
        )
    for request, answer in zip(requests, answers, strict=True):
        if "error" in answer:
            raise FaultError(f"{node} refuses `{request.get('do')}`: {answer['error']}")
    return [answer["ok"] for answer in answers]


def answers(lab: LabHandle, node: str) -> bool:
    """Whether the node can be asked."""
    try:
        ask(lab, node, {"do": "status"})
    except FaultError:
        return False
    return True


def connect(lab: LabHandle, node: str, *, on: bool) -> None:
    """Put the node on the network of the others or take it off, and see it."""
    change = lab.driver.connect if on else lab.driver.disconnect
    change(lab.lab, APP_NETWORK, node)

    until(
        lambda: is_connected(lab, node) == on,
        SEEN_WITHIN_S,
        f"{node}: {'on' if on else 'off'} the network of the others",
    )


def is_connected(lab: LabHandle, node: str) -> bool:
    """Whether the node is on the network of the others, as the engine sees it."""
    info = lab.driver.container(lab.lab, node)
    return info is not None and APP_NETWORK in info.networks
