"""Runs every check in order, from the engine up. The entry to `doctor/`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from ..driver.base import Driver
from ..errors import EngineError
from ..hostclock import read_host_discipline
from ..setup.images import image_states
from ..topology import is_optional
from . import checks, probes
from .checks import Check
from .trial import try_images


def examine(connect: Callable[[], Driver], ports: Sequence[int] = ()) -> Iterator[Check]:
    """Yield each `Check` as it is made. `ports` are those a lab would publish.

    Never raises because of what is missing: that is what the checks say.
    """
    driver: Driver | None = None
    try:
        driver = connect()
        info = driver.info()
        yield checks.engine(info, None)
        yield checks.machine(info)
    except EngineError as trouble:
        yield checks.engine(None, trouble)
    yield from _kernel()
    yield checks.disk(probes.disk_free_bytes())
    yield checks.ports(probes.taken_ports(ports))
    if driver is not None:
        yield from _images(driver)


def _kernel() -> Iterator[Check]:
    yield checks.time_namespaces(probes.has_time_namespaces())
    yield checks.user_namespaces(probes.sysctls())
    yield checks.clocksource(probes.clocksource())
    yield checks.netem(probes.has_netem())


def _images(driver: Driver) -> Iterator[Check]:
    states = {
        image: state
        for image, state in image_states(driver).items()
        if not (state == "missing" and is_optional(image))
    }
    yield checks.images(states)
    before = read_host_discipline()
    yield from checks.trials(
        try_images(driver, [image for image, state in states.items() if state != "missing"])
    )
    yield checks.host_clock(before, read_host_discipline())
