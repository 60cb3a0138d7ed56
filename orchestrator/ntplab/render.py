"""Turns a plan into the files that go into its containers. Pure but for reading templates.

Last of the pure stages: scenario -> plan -> topology -> render -> driver.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from decimal import Decimal
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined

from .plan import Plan
from .scenario.nodes import OBSERVER
from .topology import OBSERVER_CONFIG_PATH, observer_config
from .units import NS_PER_S

CHRONY_CONF_PATH = "/etc/chrony/chrony.conf"


def render_chrony(plan: Plan) -> dict[str, str]:
    """chrony.conf of every node that has an NTP daemon, by node name."""
    confs = {
        node.name: _chrony_conf(plan, node.name, stratum=node.stratum) for node in plan.time_servers
    }
    if plan.database.ntp:
        name = plan.database.name
        confs[name] = _chrony_conf(plan, name, plan.database.sources)
    for server in plan.servers:
        confs[server.name] = _chrony_conf(plan, server.name, server.sources, server.ntp_options)
    return confs


def render_files(plan: Plan) -> dict[str, dict[str, bytes]]:
    """Every file to put into a node before it starts: node name -> path -> content.

    Secrets and load.json are not among them: `run.py` makes those.
    """
    files = {node: {CHRONY_CONF_PATH: text.encode()} for node, text in render_chrony(plan).items()}
    config = json.dumps(observer_config(plan), indent=2) + "\n"
    return {OBSERVER: {OBSERVER_CONFIG_PATH: config.encode()}, **files}


def _chrony_conf(
    plan: Plan,
    node: str,
    sources: Sequence[str] = (),
    options: Sequence[str] = (),
    stratum: int | None = None,
) -> str:
    return (
        _templates()
        .get_template("chrony.conf.j2")
        .render(
            node=node,
            sources=sources,
            stratum=stratum,
            ntp=plan.ntp,
            options=(*plan.ntp.options, *options),
        )
    )


@cache
def _templates() -> Environment:
    # chrony.conf is no markup, so nothing is escaped; every value was validated as one line.
    environment = Environment(
        loader=PackageLoader("ntplab"),
        undefined=StrictUndefined,
        autoescape=False,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["seconds"] = _seconds
    return environment


def _seconds(value_ns: int) -> str:
    """Seconds in plain decimal notation: chrony reads no exponents."""
    return f"{(Decimal(value_ns) / NS_PER_S).normalize():f}"
