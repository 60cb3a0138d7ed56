"""Plan to topology: names, networks, mounts and environment as every other part expects them."""

from __future__ import annotations

import json
from pathlib import Path

from booking.config import read_settings
from ntplab.oscillator_planner import oscillator_seed
from ntplab.plan import Plan
from ntplab.planner import make_plan
from ntplab.scenario import parse_scenario
from ntplab.topology import (
    NodeSpec,
    Topology,
    build,
    images_of,
    is_optional,
    observer_config,
    standing_buyers,
)
from observer.config import parse_config

TEXT = """\
name: small
policy: {name: timestamp-order, stability: 250ms}
time_servers: [{name: ntp1}]
servers:
  - {name: paris}
  - {name: lyon, clock: {offset: -5s, drift: -50ppm}}
phases:
  - {name: one, duration: 12s, ntp: off}
  - {name: two, duration: 12s, ntp: on}
"""


def plan(*settings: str) -> Plan:
    return make_plan(parse_scenario(TEXT, "x.yaml", settings))


def topology(*settings: str) -> Topology:
    return build(plan(*settings), "x", 5)


def nodes(*settings: str) -> dict[str, NodeSpec]:
    return {node.name: node for node in topology(*settings).nodes}


def test_every_clock_has_a_page_of_its_own_and_the_observer_all_of_them() -> None:
    made = topology()
    clocks = {"ntp1", "db", "paris", "lyon"}
    assert {volume.node: volume.name for volume in made.volumes} == {
        name: f"ntplab-x-clock-{name}" for name in clocks
    }
    observer = made.nodes[0]
    assert {(m.volume, m.path) for m in observer.mounts} == {
        (f"ntplab-x-clock-{name}", f"/clocks/{name}") for name in clocks
    }
    for node in made.nodes[1:]:
        assert [(m.volume, m.path) for m in node.mounts] == [
            (f"ntplab-x-clock-{node.name}", "/clock")
        ]


def test_pages_come_before_whoever_reads_them_and_time_before_whoever_asks() -> None:
    kinds = [node.kind for node in topology().nodes]
    assert kinds == ["observer", "timeserver", "database", "server", "server"]


def test_who_is_off_the_time_network_cannot_reach_a_time_server() -> None:
    made = nodes("database.ntp=true")
    assert made["ntp1"].networks == ("time",)
    for name in ("paris", "db"):
        assert made[name].networks == ("app", "time")
    assert nodes()["db"].networks == ("app",)


def test_networks_have_no_way_out_unless_a_port_is_published() -> None:
    assert {n.name: n.internal for n in topology().networks} == {"time": True, "app": True}
    published = topology("servers.lyon.port=18000")
    assert {n.name: n.internal for n in published.networks} == {"time": True, "app": False}


def test_nothing_listens_beyond_the_host_itself() -> None:
    ports = [port for node in topology("servers.lyon.port=18000").nodes for port in node.ports]
    assert [(p.container_port, p.host_port, p.address) for p in ports] == [
        (8000, 18000, "127.0.0.1")
    ]


def test_a_machine_s_environment() -> None:
    made = nodes()
    assert made["ntp1"].environment == {
        "NTPLAB_NODE": "ntp1",
        "VCLOCK_PAGE": "/clock/page",
        "NTPLAB_UPTIME_S": str(plan().clocks["ntp1"].uptime_s),
        "NTPLAB_MAP": "root",
    }
    assert made["db"].environment["NTPLAB_MAP"] == "user"
    assert all(made[name].time_namespace for name in ("ntp1", "db", "paris", "lyon"))
    assert not made["observer"].time_namespace


def test_a_server_s_environment_is_what_the_booking_service_takes(tmp_path: Path) -> None:
    environment = dict(nodes()["lyon"].environment)
    password = tmp_path / "db_password"
    password.write_text("secret")
    environment["NTPLAB_DB_PASSWORD_FILE"] = str(password)
    settings = read_settings(environment)
    assert settings.node == "lyon"
    assert settings.peers == {"paris": "http://paris:8000"}
    assert settings.params.stability_ns == 250_000_000


def test_no_secret_is_in_the_environment() -> None:
    for node in topology().nodes:
        names = [name for name in node.environment if "PASSWORD" in name or "TOKEN" in name]
        assert all(name.endswith("_FILE") for name in names)


def test_daemons_that_start_later_are_down() -> None:
    down = {n: node.environment.get("NTPLAB_SERVICES_DOWN") for n, node in nodes().items()}
    assert down == {
        "observer": None, "ntp1": None, "db": "chronyd", "paris": "chronyd", "lyon": "chronyd",
    }  # fmt: skip
    running = nodes("phases.one.method=network", "phases.two.method=network")
    assert "NTPLAB_SERVICES_DOWN" not in running["lyon"].environment
    assert running["db"].environment["NTPLAB_SERVICES_DOWN"] == "chronyd"


def test_nodes_that_start_at_once_do_not_keep_the_observer_from_looking() -> None:
    shares = {node.name: node.cpu_shares for node in topology().nodes}
    assert shares.pop("observer") >= 10 * max(shares.values())


def test_the_observer_knows_every_clock_and_whom_to_ask() -> None:
    config = observer_config(plan("sampling.clock_hz=50"))
    assert config["sample_hz"] == 50
    assert [(node["name"], node["ntp"]) for node in config["nodes"]] == [
        ("ntp1", None), ("db", None), ("paris", "paris"), ("lyon", "lyon"),
    ]  # fmt: skip
    assert config["nodes"][3] == {
        "name": "lyon",
        "page": "/clocks/lyon/page",
        "ntp": "lyon",
        "seed": oscillator_seed(1, "lyon"),
        "initial": {"offset_ns": -5_000_000_000, "drift_ppm": -50.0},
    }
    assert json.loads(json.dumps(config)) == config


def test_buyers_are_one_node_for_all_phases() -> None:
    node = standing_buyers("x", 5)
    assert (node.name, node.kind, node.image) == ("buyers", "buyers", "ntplab/buyers")
    assert "--serve" in node.command
    assert node.networks == ("app",)
    assert node.environment == {"NTPLAB_ANCHOR_NS": "5"}
    assert not node.time_namespace


def test_images_may_be_others() -> None:
    images = {node.image for node in build(plan(), "x", 5, images="registry/ntplab").nodes}
    assert images == {
        "registry/ntplab/observer",
        "registry/ntplab/timeserver",
        "registry/ntplab/postgres",
        "registry/ntplab/booking",
    }


def test_fifty_servers_have_fifty_of_everything() -> None:
    many = ", ".join(f"{{name: s{number}}}" for number in range(50))
    made = topology(f"servers=[{many}]")
    assert len(made.nodes) == 53
    assert len({volume.name for volume in made.volumes}) == 52


def test_each_daemon_has_its_image_its_service_and_its_user() -> None:
    settings = ("servers.paris.ntp.daemon=openntpd", "servers.lyon.ntp.daemon=timesyncd")
    made = nodes(*settings)
    assert [made[name].image for name in ("paris", "lyon", "ntp1")] == [
        "ntplab/openntpd", "ntplab/timesyncd", "ntplab/timeserver",
    ]  # fmt: skip
    assert made["paris"].environment["NTPLAB_SERVICES_DOWN"] == "openntpd"
    assert made["lyon"].environment["NTPLAB_SERVICES_DOWN"] == "timesyncd"
    assert made["paris"].environment["NTPLAB_MAP"] == "root"
    assert made["lyon"].environment["NTPLAB_MAP"] == "user"


def test_who_tells_nothing_is_not_asked() -> None:
    settings = ("servers.paris.ntp.daemon=openntpd", "servers.lyon.ntp.daemon=timesyncd")
    config = observer_config(plan(*settings))
    asked = {n["name"]: (n["ntp"], n.get("daemon")) for n in config["nodes"]}
    assert asked["paris"] == ("paris", "openntpd")
    assert asked["lyon"] == (None, None)
    parse_config(json.dumps(config))


def test_images_of_other_daemons_are_built_only_for_who_needs_them() -> None:
    assert "ntplab/ntpsec" not in images_of()
    assert set(images_of(plan())) == set(images_of())
    assert set(images_of(plan("ntp.daemon=ntpsec"))) - set(images_of()) == {"ntplab/ntpsec"}
    assert is_optional("ntplab/ntpsec")
    assert not is_optional("ntplab/booking")
