"""Log files of the nodes: chronyd's tracking and statistics, and what containers printed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ..daemons import DAEMONS
from ..driver.base import Driver
from ..errors import NtplabError

LOG_FOLDERS = tuple(daemon.logs for daemon in DAEMONS.values() if daemon.logs)


def collect_logs(driver: Driver, lab: str, nodes: Iterable[str], directory: Path) -> list[str]:
    """Copy every node's logs to `directory/<node>/`; returns what could not be had, in words.

    Works on dead containers too, which is when their logs matter most.
    """
    missing = []
    for node in nodes:
        target = directory / node
        target.mkdir(parents=True, exist_ok=True)
        try:
            with (target / "container.log").open("wb") as log:
                for chunk in driver.logs(lab, node, stdout=False, stderr=True):
                    log.write(chunk)
            for folder in LOG_FOLDERS:
                for name, content in driver.read_files(lab, node, folder).items():
                    (target / Path(name).name).write_bytes(content)
        except NtplabError as error:
            missing.append(f"{node}: {error.message}")
    return missing
