"""chrony.conf of every node."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.planner import make_plan
from ntplab.render import render_chrony, render_files
from ntplab.scenario import parse_scenario

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
    rendered = render_chrony(make_plan(parse_scenario(TEXT, "x.yaml", settings)))
    return {node: text.splitlines() for node, text in rendered.items()}


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
