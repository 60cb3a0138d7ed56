"""`ntplab-train ask`: one question to a running node, through its control socket.

Each verb makes a request (`control.py` lists them), shows the answer as a table, or as it is with
`--json`, and with `--wait` stays until what it asked for has come true.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import Any

from . import asking_links, asking_requests, asking_snapshots, asking_tickets, tables
from .asker import CONTROL_VARIABLE, Asker, add_verb, plain_verb
from .lab_node import STATE_VARIABLE, state_directory
from .place import CONTROL_NAME


def add(programs: Any) -> None:
    """The command line of `ask`."""
    parser = programs.add_parser(
        "ask", help="ask a running node something", allow_abbrev=False,
        description="Ask a running node something, or have it do something.",
    )  # fmt: skip
    parser.add_argument(
        "--control", metavar="PATH", type=Path,
        help=f"the node's control socket, or its state directory (${CONTROL_VARIABLE}, or "
        f"${STATE_VARIABLE}/{CONTROL_NAME})",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the answer as JSON")
    verbs = parser.add_subparsers(metavar="REQUEST", required=True)
    add_verb(verbs, "status", plain_verb("status", tables.status), "how the node is")
    for requests in (asking_tickets, asking_requests, asking_snapshots, asking_links):
        requests.add(verbs)
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    path = arguments.control or os.environ.get(CONTROL_VARIABLE) or state_directory()
    path = Path(path)
    asker = Asker(path / CONTROL_NAME if path.is_dir() else path, arguments.json)
    return int(arguments.verb(asker, arguments))
