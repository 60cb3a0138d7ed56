"""Bringing up a lab beside starting as many containers that only sleep.

Ours ends when every server is healthy: its app ready with its database, its chronyd answering.
Time servers, database and observer come with it. The other ends when the engine has started
the last container; they are of the same image, confined the same way, on one network.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from ..driver.base import Driver
from ..faults.handle import each
from ..topology import NetworkSpec, NodeSpec
from .figures import Outcome, compare
from .labs import fresh_name, lab_for, plan_of, undisturbed
from .measuring import Bench

NAME = "bring_up"
ABOUT = {NAME: "ten booking servers, healthy, beside ten containers of that image that sleep"}
TARGET = 3.0
SERVERS = 10
RUNS = 3
IMAGE = "ntplab/booking"
NETWORK = "app"
SLEEP_S = "600"


def measure(bench: Bench) -> Iterator[Outcome]:
    """A figure in seconds."""
    driver = bench.driver
    ours, bare = [], []
    for _ in range(RUNS):
        bare.append(start_sleeping(driver))
        ours.append(bring_up(driver))
        bench.tell(NAME, f"{ours[-1]:.2f} s, sleeping containers {bare[-1]:.2f} s")
    yield compare(NAME, ours, bare, "sleeping containers", "s", TARGET)


def bring_up(driver: Driver) -> float:
    """Seconds until a lab of ten servers is healthy."""
    with lab_for(driver, plan_of(SERVERS, "timestamp-order", ntp_running=True)) as lab:
        begin = time.monotonic()
        lab.up({})
        return time.monotonic() - begin


def start_sleeping(driver: Driver) -> float:
    """Seconds to create and start ten sleeping containers, all at once."""
    lab = fresh_name()

    def start(spec: NodeSpec) -> None:
        driver.create(lab, spec, {}, {})
        driver.start(lab, spec.name)

    try:
        driver.create_network(lab, NetworkSpec(NETWORK))
        begin = time.monotonic()
        each([sleeper(f"sleeper{number}") for number in range(SERVERS)], start)
        return time.monotonic() - begin
    finally:
        with undisturbed():
            driver.remove_lab(lab)


def sleeper(name: str) -> NodeSpec:
    """A container of a server's image that does nothing."""
    command = (SLEEP_S,)
    return NodeSpec(
        name, "server", IMAGE, networks=(NETWORK,), entrypoint=("sleep",), command=command
    )
