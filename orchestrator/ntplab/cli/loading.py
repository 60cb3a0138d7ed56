"""From a scenario file on the command line to a plan, and from an empty machine to a driver."""

from __future__ import annotations

from pathlib import Path

from ..analysis import check_expectation
from ..driver.docker import DockerDriver
from ..driver.docker_api import engine_trouble
from ..plan import Plan
from ..planner import make_plan
from ..run import RunRequest
from ..scenario import Scenario, load_scenario
from ..scenario.models import as_plain
from ..setup.engine import ensure_engine
from ..setup.images import ensure_images
from ..topology import images_of
from .output import out


def load(file: Path, overrides: list[str] | None, seed: int | None = None) -> Scenario:
    """The scenario, or every problem of it as one `ScenarioError`."""
    extra = [f"seed={seed}"] if seed is not None else []
    return load_scenario(file, [*(overrides or []), *extra], check_expectation)


def load_plan(file: Path, overrides: list[str] | None, seed: int | None = None) -> Plan:
    """The plan of the scenario in `file`."""
    return make_plan(load(file, overrides, seed))


def ready_driver(plan: Plan | None = None, *, all_images: bool = False) -> DockerDriver:
    """Engine running, images current: set up whatever is missing, saying so.

    The images are those of `plan`, or of any ordinary lab; `all_images` has every one made.
    """
    ensure_engine(out.say, engine_trouble)
    driver = DockerDriver()
    ensure_images(driver, None if all_images else images_of(plan), out.step)
    return driver


def request(
    file: Path,
    overrides: list[str] | None,
    seed: int | None,
    runs: Path,
    out_directory: Path | None,
    *,
    keep: bool,
) -> RunRequest:
    """What `run` and `demo` are asked to run."""
    scenario = load(file, overrides, seed)
    return RunRequest(
        make_plan(scenario),
        file.read_text(encoding="utf-8"),
        as_plain(scenario),
        runs,
        out_directory,
        keep,
    )
