"""What every node's NTP daemon reads."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.planner import make_plan
from ntplab.render import render_daemons, render_files
from ntplab.scenario import parse_scenario

CHRONY_CONF = "/etc/chrony/chrony.conf"
NTPSEC_CONF = "/etc/ntpsec/ntp.conf"
OPENNTPD_CONF = "/etc/openntpd/ntpd.conf"
OPENNTPD_OPTIONS = "/etc/openntpd/options"
TIMESYNCD_CONF = "/etc/systemd/timesyncd.conf"
TEXT = """\
name: small
policy: unique
time_servers: [{name: ntp1, stratum: 2}, {name: ntp2}]
servers:
  - {name: paris, ntp: {options: [maxclockerror 15]}}
  - {name: lyon, ntp: {sources: [ntp2]}}
phases:
  - {name: one, duration: 12s, ntp: off}
"""


def confs(*settings: str) -> dict[str, list[str]]:
    rendered = render_daemons(make_plan(parse_scenario(TEXT, "x.yaml", settings)))
    return {node: files[CHRONY_CONF].splitlines() for node, files in rendered.items()}


def conf_of(daemon: str, path: str, *settings: str) -> str:
    """What `daemon` reads at `path` when it steers paris."""
    chosen = (f"servers.paris.ntp.daemon={daemon}", "servers.paris.ntp.options=[]", *settings)
    rendered = render_daemons(make_plan(parse_scenario(TEXT, "x.yaml", chosen)))
    return rendered["paris"][path]


def test_who_gets_a_conf() -> None:
    assert confs().keys() == {"ntp1", "ntp2", "paris", "lyon"}
    assert confs("database.ntp=true").keys() == {"ntp1", "ntp2", "db", "paris", "lyon"}


def test_servers_ask_and_time_servers_answer() -> None:
    made = confs()
    assert [line for line in made["paris"] if line.startswith("server ")] == [
        "server ntp1 iburst minpoll -2 maxpoll 0",
        "server ntp2 iburst minpoll -2 maxpoll 0",
    ]
    assert [line for line in made["lyon"] if line.startswith("server ")] == [
        "server ntp2 iburst minpoll -2 maxpoll 0"
    ]
    assert "makestep 0.1 -1" in made["paris"]
    assert {"local stratum 2", "allow all"} <= set(made["ntp1"])
    assert not any(re.match("server|makestep", line) for line in made["ntp1"])
    assert not any(re.match("local|allow", line) for line in made["paris"])


def test_everybody_can_be_asked() -> None:
    wanted = {
        "bindcmdaddress 0.0.0.0", "bindcmdaddress /run/chrony/chronyd.sock", "cmdport 323",
        "cmdallow all", "pidfile /run/chrony/chronyd.pid", "logdir /var/log/chrony",
        "log tracking statistics measurements",
    }  # fmt: skip
    for lines in confs("database.ntp=true").values():
        assert wanted <= set(lines)
        assert not any(line.startswith("driftfile") for line in lines)


def test_what_the_scenario_says_is_what_chronyd_reads() -> None:
    made = confs(
        "ntp={minpoll: -4, maxpoll: 2, makestep: {threshold: 250us, limit: 3}, max_slew: 1000ppm}",
        "ntp.options=[maxdistance 5]",
    )
    assert "server ntp1 iburst minpoll -4 maxpoll 2" in made["paris"]
    assert {"makestep 0.00025 3", "maxslewrate 1000.0"} <= set(made["paris"])
    assert made["paris"][-2:] == ["maxdistance 5", "maxclockerror 15"]
    assert made["lyon"][-1] == "maxdistance 5"


def test_without_makestep_there_is_no_such_line() -> None:
    assert not any("makestep" in line for line in confs("ntp.makestep=null")["paris"])


@given(st.integers(min_value=1_000, max_value=3_600 * 10**9))
def test_thresholds_are_exact_and_plain(threshold_ns: int) -> None:
    made = confs(f"ntp.makestep.threshold={threshold_ns}ns")["lyon"]
    (line,) = [line for line in made if line.startswith("makestep")]
    whole, _, fraction = line.split()[1].partition(".")
    assert int(whole) * 10**9 + int(fraction.ljust(9, "0")) == threshold_ns


@pytest.mark.parametrize("node", ["ntp1", "paris", "lyon"])
def test_every_file_has_its_place(node: str) -> None:
    files = render_files(make_plan(parse_scenario(TEXT)))
    assert files.keys() == {"observer", "ntp1", "ntp2", "paris", "lyon"}
    assert list(files[node]) == ["/etc/chrony/chrony.conf"]
    assert len(json.loads(files["observer"]["/etc/ntplab/observer.json"])["nodes"]) == 5


@pytest.mark.parametrize(
    ("daemon", "paths"),
    [
        ("chrony", [CHRONY_CONF]),
        ("ntpsec", [NTPSEC_CONF]),
        ("openntpd", [OPENNTPD_CONF, OPENNTPD_OPTIONS]),
        ("timesyncd", [TIMESYNCD_CONF]),
    ],
)
def test_the_lab_says_which_daemon_and_a_server_may_differ(daemon: str, paths: list[str]) -> None:
    settings = (f"ntp.daemon={daemon}", "servers.lyon.ntp.daemon=chrony")
    files = render_files(make_plan(parse_scenario(TEXT, "x.yaml", settings)))
    assert list(files["paris"]) == paths
    assert list(files["lyon"]) == list(files["ntp1"]) == [CHRONY_CONF]


def test_lines_of_chrony_conf_go_to_chronyd_only() -> None:
    settings = ("ntp.options=[maxdistance 1]", "servers.paris.ntp.options=[tos maxclock 3]")
    conf = conf_of("ntpsec", NTPSEC_CONF, *settings).splitlines()
    assert "maxdistance 1" not in conf
    assert conf[-1] == "tos maxclock 3"
    assert "maxdistance 1" in confs(*settings)["lyon"]


def test_ntpsec_polls_no_faster_than_it_can_and_steps_as_told() -> None:
    conf = conf_of("ntpsec", NTPSEC_CONF).splitlines()
    assert "server ntp1 iburst minpoll 0 maxpoll 0" in conf
    assert "tinker step 0.1 panic 0" in conf
    assert "tinker step 0 panic 0" in conf_of("ntpsec", NTPSEC_CONF, "ntp.makestep=null")
    slower = conf_of("ntpsec", NTPSEC_CONF, "ntp.minpoll=3", "ntp.maxpoll=24")
    assert "server ntp2 iburst minpoll 3 maxpoll 17" in slower


def test_openntpd_sets_the_clock_at_its_start_where_it_may_step() -> None:
    assert conf_of("openntpd", OPENNTPD_OPTIONS) == "-s\n"
    assert conf_of("openntpd", OPENNTPD_OPTIONS, "ntp.makestep=null") == ""
    assert "server ntp1\nserver ntp2\n" in conf_of("openntpd", OPENNTPD_CONF)


def test_timesyncd_polls_no_faster_than_every_16_seconds() -> None:
    conf = conf_of("timesyncd", TIMESYNCD_CONF, "ntp.maxpoll=6").splitlines()
    assert {"NTP=ntp1 ntp2", "PollIntervalMinSec=16", "PollIntervalMaxSec=64"} <= set(conf)
