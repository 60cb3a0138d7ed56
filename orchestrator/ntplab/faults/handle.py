"""What every fault needs to reach its node: the driver, the lab's name, lab time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

from ..driver.base import Driver, ExecResult
from ..errors import FaultError
from ..labtime import LabClock

ENTER = "/usr/lib/ntplab/enter"
"""Runs a command inside a node's user and time namespaces, on its clock."""

T = TypeVar("T")
Item = TypeVar("Item")


@dataclass(frozen=True)
class LabHandle:
    driver: Driver
    lab: str
    clock: LabClock

    def exec(self, node: str, argv: Sequence[str]) -> ExecResult:
        return self.driver.exec(self.lab, node, argv)

    def must(self, node: str, argv: Sequence[str]) -> str:
        """Stdout of a command that has to succeed; `FaultError` with its last words if not."""
        result = self.exec(node, argv)
        if not result.ok:
            words = (result.stderr or result.stdout).strip().splitlines()
            raise FaultError(
                f"{node}: `{' '.join(argv)}` failed with exit code {result.exit_code}",
                log_tail=words[-5:],
                hint=f"look at the node with `./ntplab logs {node}`",
            )
        return result.stdout


def each(items: Iterable[Item], do: Callable[[Item], T]) -> list[T]:
    """`do` for all items at once, in threads; results in order, the first error raised."""
    work = list(items)
    if not work:
        return []
    with ThreadPoolExecutor(max_workers=min(len(work), 16)) as pool:
        return list(pool.map(do, work))


def until(condition: Callable[[], T | None], timeout_s: float, what: str) -> T:
    """The first true answer of `condition`, asked often; `FaultError` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        answer = condition()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise FaultError(f"{what} was not seen within {timeout_s:g} s")
        time.sleep(0.05)
