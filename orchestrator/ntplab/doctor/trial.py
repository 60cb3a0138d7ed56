"""One container of each image, its wall clock set to a date of its own: does `date` show it?

A lab like any other, so it has the rights that labs have, and none more.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterable

from ..driver.base import Driver
from ..errors import LabError
from ..reach import unreached_programs
from ..topology import NodeSpec, VolumeMount, VolumeSpec, docker_name
from .checks import Trial

OBSERVER_IMAGE = "ntplab/observer"
OFFSET_NS = -1_000 * 86_400 * 10**9
PAGES_WITHIN_S = 20.0
_POLL_S = 0.1
_IDLE = ("/bin/sleep", "300")


def try_images(driver: Driver, images: Iterable[str]) -> list[Trial]:
    """Try every image; a lab of its own is made for it and removed."""
    lab = f"doctor-{os.getpid()}"
    volume = docker_name(lab, "clock-trial")
    chosen = list(images)
    if not chosen:
        return []
    try:
        driver.create_volume(lab, VolumeSpec(volume, "trial"))
        _make_page(driver, lab, volume)
        return [_try(driver, lab, volume, image) for image in chosen]
    except LabError as error:
        return [Trial(image, error=str(error)) for image in chosen]
    finally:
        driver.remove_lab(lab)


def _make_page(driver: Driver, lab: str, volume: str) -> None:
    """Let an observer make the clock page, as in every lab; lab time is the host's clock."""
    config = {
        "sample_hz": 1,
        "belief_hz": 1,
        "nodes": [
            {
                "name": "trial",
                "page": "/clocks/trial/page",
                "ntp": None,
                "initial": {"offset_ns": OFFSET_NS, "drift_ppm": 0.0},
            }
        ],
    }
    anchor_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)
    spec = NodeSpec(
        "observer",
        "observer",
        OBSERVER_IMAGE,
        environment={
            "NTPLAB_ANCHOR_NS": str(anchor_ns),
            "NTPLAB_OBSERVER_CONFIG": "/etc/ntplab/observer.json",
        },
        mounts=(VolumeMount(volume, "/clocks/trial"),),
    )
    driver.create(lab, spec, {"/etc/ntplab/observer.json": json.dumps(config).encode()}, {})
    driver.start(lab, "observer")
    _wait_ready(driver, lab)


def _wait_ready(driver: Driver, lab: str) -> None:
    deadline = time.monotonic() + PAGES_WITHIN_S
    while not any(b'"ready"' in said for said in driver.logs(lab, "observer")):
        info = driver.container(lab, "observer")
        if info is None or info.exit_code is not None:
            raise LabError("the observer died") if info is None else driver.death(info)
        if time.monotonic() > deadline:
            raise LabError(f"the observer made no clock page within {PAGES_WITHIN_S:.0f} s")
        time.sleep(_POLL_S)


def _try(driver: Driver, lab: str, volume: str, image: str) -> Trial:
    node = image.rpartition("/")[2]
    node = f"trial-{node}"
    spec = NodeSpec(
        node,
        "server",
        image,
        environment={"NTPLAB_NODE": node, "VCLOCK_PAGE": "/clock/page", "NTPLAB_UPTIME_S": "1000"},
        mounts=(VolumeMount(volume, "/clock"),),
        entrypoint=_IDLE,
        time_namespace=True,
    )
    try:
        driver.create(lab, spec, {}, {})
        driver.start(lab, node)
        shown = driver.exec(lab, node, ["/usr/lib/ntplab/enter", "date", "+%s"])
        expected_s = time.time() + OFFSET_NS / 1e9
        status = driver.exec(lab, node, ["cat", "/run/ntplab/timens"])
        unreached = unreached_programs(driver, lab, node)
    except LabError as error:
        return Trial(image, error=str(error))
    if not shown.ok or not shown.stdout.strip().isdigit():
        said = (shown.stderr or shown.stdout).strip().splitlines()
        return Trial(image, error=f"`date` failed: {said[-1] if said else shown.exit_code}")
    return Trial(
        image,
        time_namespace=status.stdout.strip(),
        wall_error_s=int(shown.stdout) - expected_s,
        unreached=unreached,
    )
