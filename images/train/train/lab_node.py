"""`ntplab-train node CONFIG`: a node of the lab, over TCP. Facts go to stdout, one JSON document a
line; the container's log carries them home."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from .config import Config, read_config
from .errors import StoreError, UsageError
from .place import Place
from .service import Service, run
from .tcp import Neighborhood
from .ticket import BadValueError

STATE_VARIABLE = "NTPLAB_TRAIN_STATE"
STATE_DEFAULT = "/var/lib/ntplab/train"


def state_directory() -> Path:
    """Where a node of the lab keeps its state unless it is told otherwise."""
    return Path(os.environ.get(STATE_VARIABLE) or STATE_DEFAULT)


def add(programs: Any) -> None:
    """The command line of `node`."""
    parser = programs.add_parser(
        "node", help="run a node over TCP, as the lab does", allow_abbrev=False,
        description="Run a node over TCP until SIGTERM. Facts go to stdout as JSON lines.",
    )  # fmt: skip
    parser.add_argument("config", metavar="CONFIG", type=Path, help="JSON file; see the reference")
    parser.add_argument(
        "--state", metavar="DIR", type=Path,
        help=f"where it keeps its state (${STATE_VARIABLE}, or {STATE_DEFAULT})",
    )  # fmt: skip
    parser.add_argument(
        "--control", metavar="PATH", type=Path, help="its control socket (DIR/control.sock)"
    )
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> int:
    config = _config(arguments.config)
    place = Place(arguments.state or state_directory())
    try:
        return run(_live(config, place, arguments.control or place.control))
    except OSError as error:
        raise StoreError(
            f"{config.name} cannot run: {error}", f"is port {config.port} taken?"
        ) from error
    finally:
        place.close()


async def _live(config: Config, place: Place, control: Path) -> int:
    return await Service(config, place, Neighborhood(config), print_json).run(control)


def print_json(document: dict[str, Any]) -> None:
    """One line on stdout, at once."""
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _config(path: Path) -> Config:
    try:
        return read_config(path.read_text())
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
    except BadValueError as error:
        raise UsageError(
            f"{path}: {error}", "docs/reference/train.md describes the file"
        ) from error
