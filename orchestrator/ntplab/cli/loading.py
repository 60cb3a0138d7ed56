"""From a scenario file on the command line to a plan, and from an empty machine to a driver."""

from __future__ import annotations

from pathlib import Path

from ..analysis import check_expectation, check_sweep_expectation
from ..driver.docker import DockerDriver
from ..driver.docker_api import engine_trouble
from ..plan import Plan
from ..planner import make_plan
from ..run import RunRequest
from ..scenario import Checks, Experiment, Scenario, load_experiment
from ..scenario.models import as_plain
from ..setup.engine import ensure_engine
from ..setup.images import ensure_images
from ..sweep import SweepRequest, plan_points
from ..topology import images_of
from .output import out


def all_overrides(overrides: list[str] | None, seed: int | None) -> list[str]:
    """What `--set` and `--seed` say together."""
    return [*(overrides or []), *([f"seed={seed}"] if seed is not None else [])]


def load_all(file: Path, overrides: list[str] | None, seed: int | None = None) -> Experiment:
    """The scenario and the points of its sweep, or every problem as one `ScenarioError`."""
    checks = Checks(check_expectation, check_sweep_expectation)
    return load_experiment(file, all_overrides(overrides, seed), checks)


def load(file: Path, overrides: list[str] | None, seed: int | None = None) -> Scenario:
    """The scenario as it stands, its sweep checked too."""
    return load_all(file, overrides, seed).scenario


def ready_driver(*plans: Plan, all_images: bool = False) -> DockerDriver:
    """Engine running, images current: set up whatever is missing, saying so.

    The images are those of `plans`, or of any ordinary lab; `all_images` has every one made.
    """
    ensure_engine(out.say, engine_trouble)
    driver = DockerDriver()
    ensure_images(driver, None if all_images else images_of(*plans), out.step)
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
    """What `demo` is asked to run."""
    experiment = load_all(file, overrides, seed)
    sets = all_overrides(overrides, seed)
    return run_request(experiment, sets, runs, out_directory, keep=keep)


def run_request(
    experiment: Experiment,
    overrides: list[str],
    runs: Path,
    out_directory: Path | None,
    *,
    keep: bool,
) -> RunRequest:
    """A run of a scenario without a sweep."""
    scenario = experiment.scenario
    plain = as_plain(scenario)
    plan = make_plan(scenario)
    return RunRequest(plan, experiment.text, plain, runs, out_directory, keep, overrides)


def sweep_request(
    experiment: Experiment, overrides: list[str], runs: Path, out_directory: Path | None
) -> SweepRequest:
    """A run of a scenario with one."""
    scenario = experiment.scenario
    return SweepRequest(
        make_plan(scenario),
        plan_points(experiment.points),
        scenario.sweep.expect if scenario.sweep else (),
        experiment.text,
        overrides,
        runs,
        out_directory,
    )
