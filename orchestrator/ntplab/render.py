"""Turns a plan into the files that go into its containers. Pure but for reading templates.

Last of the pure stages: scenario -> plan -> topology -> render -> driver.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from .daemons import CHRONY, DAEMONS, Daemon
from .plan import Plan
from .scenario.nodes import OBSERVER
from .topology import OBSERVER_CONFIG_PATH, observer_config
from .train_plan import TRAIN_CONFIG_PATH
from .units import NS_PER_S

Files = dict[str, str]
"""path in the container -> text"""


def render_daemons(plan: Plan) -> dict[str, Files]:
    """What the NTP daemon of every node reads, by node name."""
    files = {
        node.name: _files(CHRONY, plan, node.name, stratum=node.stratum)
        for node in plan.time_servers
    }
    if database := plan.steered_database:
        files[database.name] = _files(CHRONY, plan, database.name, database.sources)
    for server in plan.servers:
        daemon = DAEMONS[server.daemon]
        files[server.name] = _files(daemon, plan, server.name, server.sources, server.ntp_options)
    return files


def render_files(plan: Plan) -> dict[str, dict[str, bytes]]:
    """Every file to put into a node before it starts: node name -> path -> content.

    Secrets and load.json are not among them: `run.py` makes those.
    """
    files = {
        node: {path: text.encode() for path, text in texts.items()}
        for node, texts in render_daemons(plan).items()
    }
    if plan.train:
        for node in plan.train.nodes:
            told = json.dumps(plan.train.config(node, plan.seed), indent=2) + "\n"
            files[node] = {**files[node], TRAIN_CONFIG_PATH: told.encode()}
    config = json.dumps(observer_config(plan), indent=2) + "\n"
    return {OBSERVER: {OBSERVER_CONFIG_PATH: config.encode()}, **files}


def _files(
    daemon: Daemon,
    plan: Plan,
    node: str,
    sources: Sequence[str] = (),
    options: Sequence[str] = (),
    stratum: int | None = None,
) -> Files:
    # The lab-wide lines are chronyd's language, so no other daemon gets them.
    common = plan.ntp.options if daemon is CHRONY else ()
    return {
        path: _templates()
        .get_template(template)
        .render(
            node=node,
            sources=sources,
            stratum=stratum,
            ntp=plan.ntp,
            options=(*common, *options),
        )
        for template, path in daemon.files
    }


@cache
def _templates() -> Environment:
    # These files are no markup, so nothing is escaped; every value was validated as one line.
    environment = Environment(
        loader=PackageLoader("ntplab"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["seconds"] = _seconds
    environment.filters["clamp"] = _clamp
    return environment


def _seconds(value_ns: int) -> str:
    """Seconds in plain decimal notation: chrony reads no exponents."""
    return f"{(Decimal(value_ns) / NS_PER_S).normalize():f}"


def _clamp(value: int, low: int, high: int) -> int:
    """The nearest that the daemon can be asked for."""
    return max(low, min(value, high))
