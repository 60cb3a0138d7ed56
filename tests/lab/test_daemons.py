"""Four NTP daemons of Debian, unmodified, in one lab: each steers its own wall clock."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import testinfra

from .kit import SCENARIOS, Cli, StandingLab, wait_for

PACKAGES = {
    "chrony": ("chrony", "chronyd", "/usr/sbin/chronyd"),
    "ntpsec": ("ntpsec", "ntpd", "/usr/sbin/ntpd"),
    "openntpd": ("openntpd", "openntpd", "/usr/sbin/ntpd"),
    "timesyncd": ("systemd-timesyncd", "timesyncd", "/usr/lib/systemd/systemd-timesyncd"),
}
LIMIT_S = {"chrony": 0.005, "ntpsec": 0.005, "openntpd": 0.020, "timesyncd": 0.005}
FAR_S = {"chrony": 0.29, "ntpsec": 0.29, "openntpd": 4.9, "timesyncd": 4.9}
SCENARIO = SCENARIOS / "daemons.yaml"
NO_PORT = 0
LOOKS_WITHIN = 5
"""so many looks in a row, each a command of its own, must find the clock within its limit"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandingLab]:
    cli = Cli(tmp_path_factory.mktemp("daemons"))
    name = f"test-{secrets.token_hex(3)}"
    try:
        cli("up", str(SCENARIO), "--lab", name)
        yield StandingLab(name, cli, (str(SCENARIO),), NO_PORT)
    finally:
        cli("down", "--lab", name, exit_code=None)


def divergences_s(lab: StandingLab) -> dict[str, float]:
    shown = lab.cli.json("clock", "show", "--lab", lab.name)["nodes"]
    return {node: shown[node]["divergence_ns"] / 1e9 for node in PACKAGES}


def states(lab: StandingLab) -> dict[str, dict[str, Any]]:
    found = lab.cli.json("ntp", "status", "--lab", lab.name)["ntp"]
    return {state["node"]: state for state in found}


@pytest.mark.parametrize("node", PACKAGES)
def test_the_binary_is_debians(lab: StandingLab, node: str) -> None:
    package, _, binary = PACKAGES[node]
    # As root, who owns the packages' files: one of chrony's is for nobody else to read.
    host = testinfra.get_host(f"docker://root@ntplab-{lab.name}-{node}")
    changed = host.run(f"dpkg --verify {package}").stdout.splitlines()
    # The configuration is there to be changed; the images leave Debian's out. Slim images leave
    # out documentation.
    left_out = ("/etc/", "/usr/share/doc/", "/usr/share/man/", "/usr/share/lintian/")
    assert [line for line in changed if not line.split()[-1].startswith(left_out)] == []
    assert binary in host.check_output(f"dpkg -L {package}").splitlines()


def test_each_daemon_is_off_and_on_and_steers_its_clock(lab: StandingLab) -> None:
    before_s = divergences_s(lab)
    assert all(abs(before_s[node]) > FAR_S[node] for node in PACKAGES), before_s
    assert {node: state["daemon_running"] for node, state in states(lab).items()} == dict.fromkeys(
        PACKAGES, False
    )

    lab.verb("ntp", "on")
    assert all(state["on"] for state in states(lab).values())
    within = dict.fromkeys(PACKAGES, 0)

    def settled() -> bool:
        for node, divergence_s in divergences_s(lab).items():
            within[node] = within[node] + 1 if abs(divergence_s) < LIMIT_S[node] else 0
        return all(looks >= LOOKS_WITHIN for looks in within.values())

    what = "every clock within its limit, and staying there"
    wait_for(what, settled, timeout_s=120)
    for node, (_, service, binary) in PACKAGES.items():
        pid = lab.host(node).check_output(f"s6-svstat -o pid /run/service/{service}")
        words = lab.host(node).check_output(f"tr '\\0' ' ' < /proc/{pid}/cmdline").split()
        assert Path(words[0].rstrip(":")).name == Path(binary).name

    lab.verb("ntp", "off")
    assert {node: state["on"] for node, state in states(lab).items()} == dict.fromkeys(
        PACKAGES, False
    )
    # Its second life begins as the first did, in the same container: a sweep relies on that.
    lab.verb("clock", "reset")
    for node, far_s in FAR_S.items():
        lab.verb("clock", "set", node, f"{far_s}s")
    lab.verb("ntp", "on", *PACKAGES)
    assert all(state["on"] for state in states(lab).values())
    within.update(dict.fromkeys(PACKAGES, 0))
    wait_for(what, settled, timeout_s=120)


def test_only_chronyd_can_be_told_that_its_sources_are_offline(lab: StandingLab) -> None:
    done = lab.cli(
        "ntp", "off", "--lab", lab.name, "--method", "sources", "openntpd", exit_code=None
    )
    assert done.returncode != 0
    assert "openntpd cannot be told that its sources are offline" in done.stderr
    assert "hint:" in done.stderr


def test_what_openntpd_and_ntpsec_believe_is_heard_by_the_observer(lab: StandingLab) -> None:
    asked = lab.host("observer").check_output(
        "ntplab-observer wait-ntp --timeout-s 20 ntpsec openntpd"
    )
    assert '"ok": true' in asked or '"ok":true' in asked
