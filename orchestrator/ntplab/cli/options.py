"""Options that several verbs share, and the driver they talk to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..driver.base import Driver
from ..driver.docker import DockerDriver
from ..errors import UsageError
from ..standing import lab_handle as lab_handle

Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")]
LabName = Annotated[
    str | None,
    typer.Option("--lab", metavar="NAME", help="Which lab; not needed while only one is up."),
]
ScenarioFile = Annotated[Path, typer.Argument(help="Scenario file (YAML).", metavar="FILE")]
MaybeScenarioFile = Annotated[
    Path | None, typer.Argument(help="Scenario file (YAML).", metavar="FILE")
]
Overrides = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Override a value of the scenario, such as servers.lyon.clock.offset=0s. Repeatable; "
        "separated by spaces in the variable.",
    ),
]


def connect() -> Driver:
    """The Docker engine that is running; `EngineError` with a hint if none is."""
    return DockerDriver()


def pick_lab(driver: Driver, wanted: str | None) -> str:
    """The lab that is meant: the one named, or the only one there is."""
    labs = driver.labs()
    if wanted is not None:
        if wanted not in labs:
            known = ", ".join(labs) or "none"
            raise UsageError(f"no lab {wanted!r} is up", hint=f"there are: {known}")
        return wanted
    if not labs:
        raise UsageError(
            "no lab is up", hint="./ntplab up playbooks/scenarios/concert.yaml starts one"
        )
    if len(labs) > 1:
        raise UsageError(f"several labs are up: {', '.join(labs)}", hint="choose with --lab NAME")
    return labs[0]


def servers_of(driver: Driver, lab: str, wanted: list[str] | None) -> list[str]:
    """The booking servers named, or all of the lab; `UsageError` for an unknown one."""
    known = sorted(c.node for c in driver.containers(lab) if c.kind == "server")
    unknown = [name for name in wanted or [] if name not in known]
    if unknown:
        raise UsageError(
            f"no server {', '.join(unknown)} in lab {lab}", hint=f"there are: {', '.join(known)}"
        )
    return wanted or known
