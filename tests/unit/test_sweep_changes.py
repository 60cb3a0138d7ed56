"""What has to be done between two points follows from what they render to."""

from __future__ import annotations

from pathlib import Path

import pytest

from ntplab.planner import make_plan
from ntplab.scenario import load_scenario
from ntplab.sweep import Changes, Rendered, compare, rendered

CONCERT = Path(__file__).resolve().parents[2] / "playbooks" / "scenarios" / "concert.yaml"
SERVERS = ("lyon", "marseille", "paris")


def point(*settings: str) -> Rendered:
    return rendered(make_plan(load_scenario(CONCERT, settings)))


@pytest.mark.parametrize(
    ("setting", "changes"),
    [
        ("servers.lyon.clock.offset=9s", Changes()),
        ("database.clock.drift=5ppm", Changes()),
        ("phases.control.duration=3s", Changes()),
        ("load=[]", Changes()),
        ("policy.stability=1s", Changes(apps=SERVERS)),
        ("policy=unique", Changes(apps=SERVERS)),
        ("ntp.maxpoll=3", Changes(daemons=(*SERVERS[:2], SERVERS[2]))),
        ("servers.lyon.ntp.options=[minsamples 4]", Changes(daemons=("lyon",))),
        ("time_servers.ntp1.stratum=3", Changes(daemons=("ntp1",))),
        ("servers.lyon.clock.uptime=1h", Changes(nodes=("lyon",))),
        ("servers.lyon.port=18080", Changes(lab="other networks or volumes")),
        ("sampling.clock_hz=50", Changes(lab="observer is not as it was")),
        ("database.clock.uptime=1h", Changes(lab="db is not as it was")),
        ("servers.lyon.name=nice", Changes(lab="other nodes")),
        ("seed=2", Changes(lab="observer is not as it was")),
    ],
)
def test_what_differs_decides(setting: str, changes: Changes) -> None:
    assert compare(point(), point(setting)) == changes


def test_the_same_point_again_needs_nothing_and_a_spoiled_node_is_made_anew() -> None:
    assert compare(point(), point()) == Changes()
    assert compare(point(), point(), ["lyon"]) == Changes(nodes=("lyon",))
    assert compare(point(), point("policy=unique"), ["lyon"]) == Changes(
        nodes=("lyon",), apps=("marseille", "paris")
    )
    assert compare(point(), point(), ["db"]).restarted == ["lab"]


def test_how_services_begin_matters_to_no_container_that_runs() -> None:
    assert compare(point(), point("phases.control.servers=[paris]")) == Changes()
