"""What the nodes of a lab must be, seen from inside them."""

from __future__ import annotations

import ctypes
import http.client
import json
import os
import time
from itertools import pairwise
from pathlib import Path

import pytest

from observer.oscillator import SCALED_PER_PPM, Temperature, Wander

from .kit import ENTER, Cli, StandingLab, labelled, wait_for

SERVERS = ("paris", "lyon", "marseille")
NODES_WITH_CLOCKS = (*SERVERS, "ntp1", "db")


def test_every_clock_is_as_wrong_as_the_scenario_says(standing: StandingLab) -> None:
    expected_s = {"paris": 0.0, "lyon": -5.0, "marseille": 0.8, "ntp1": 0.0, "db": 3.0}
    for node, offset_s in expected_s.items():
        # marseille drifts by 80 ppm: 0.1 s in 20 minutes
        assert standing.divergence_s(node) == pytest.approx(offset_s, abs=0.1)
        before_s = time.time()
        date_s = standing.date_s(node)
        after_s = time.time()
        assert before_s - 0.1 <= date_s - offset_s <= after_s + 0.1


@pytest.mark.parametrize("node", NODES_WITH_CLOCKS)
def test_a_node_has_namespaces_of_its_own_and_no_rights(standing: StandingLab, node: str) -> None:
    host = standing.host(node)
    for kind in ("user", "time"):
        inside = host.check_output(f"{ENTER} readlink /proc/self/ns/{kind}")
        assert inside != os.readlink(f"/proc/self/ns/{kind}")
    status = dict(
        line.split(":\t", 1) for line in host.check_output("cat /proc/1/status").split("\n")
    )
    assert {int(status[name], 16) for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb")} == {0}
    assert status["NoNewPrivs"] == "1"
    assert status["Seccomp"] == "2"
    assert status["Uid"].split() == ["1000"] * 4


def test_machines_have_been_up_for_different_times(standing: StandingLab) -> None:
    uptimes = [
        float(standing.host(node).check_output(f"{ENTER} cat /proc/uptime").split()[0])
        for node in SERVERS
    ]
    with open("/proc/uptime") as file:
        uptimes.append(float(file.read().split()[0]))
    uptimes.sort()
    assert all(b - a > 60 for a, b in pairwise(uptimes))


def test_date_set_inside_one_node_moves_that_clock_only(standing: StandingLab) -> None:
    """The founding document's own example."""
    before = {node: standing.divergence_s(node) for node in SERVERS}
    host_before_s = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
    standing("exec", "lyon", "--", "date", "-u", "-s", "2023-10-01 12:00:00")
    try:
        assert standing("exec", "lyon", "--", "date", "-u", "+%F %H").strip() == "2023-10-01 12"
        assert standing.divergence_s("lyon") < -86_400
        for node in ("paris", "marseille"):
            assert standing.divergence_s(node) == pytest.approx(before[node], abs=0.1)
        host_after_s = time.time() - time.clock_gettime(time.CLOCK_MONOTONIC_RAW)
        assert host_after_s == pytest.approx(host_before_s, abs=1)
    finally:
        standing.verb("clock", "set", "lyon", "-5s")
    assert standing.divergence_s("lyon") == pytest.approx(-5, abs=0.1)


def test_exec_passes_exit_codes(standing: StandingLab) -> None:
    standing("exec", "paris", "--", "sh", "-c", "exit 7", exit_code=7)


def test_exec_warns_of_programs_that_the_clock_does_not_reach(standing: StandingLab) -> None:
    said = standing("exec", "paris", "--", "tini-static", "--version")
    assert "warning: /usr/bin/tini-static is linked statically" in said
    assert "it sees the host's clock" in said
    assert "tini version" in said
    assert "warning" not in standing("exec", "paris", "--", "date")
    assert "warning" not in standing("exec", "observer", "--", "tini-static", "--version")


def test_clocks_bend_by_hand(standing: StandingLab) -> None:
    standing.verb("clock", "step", "paris", "-1500ms")
    assert standing.divergence_s("paris") == pytest.approx(-1.5, abs=0.01)
    standing.verb("clock", "freeze", "paris")
    frozen_s = standing.date_s("paris")
    assert standing.date_s("paris") == frozen_s
    standing.verb("clock", "thaw", "paris")
    assert standing.date_s("paris") >= frozen_s
    standing.verb("clock", "reset", "paris")
    assert standing.divergence_s("paris") == pytest.approx(0, abs=1e-6)


@pytest.mark.parametrize("method", ["daemon", "network", "sources"])
def test_ntp_steers_a_clock_when_it_is_on_and_not_when_it_is_off(
    standing: StandingLab, method: str
) -> None:
    node = "lyon"
    standing.verb("ntp", "on", node)  # for `network` and `sources` a daemon must run
    standing.verb("ntp", "off", node, "--method", method)
    standing.verb("clock", "set", node, "-3s")
    assert ntp_of(standing, node) == "off"
    assert standing.divergence_s(node) == pytest.approx(-3, abs=0.2)
    standing.verb("ntp", "on", node, "--method", method)
    assert ntp_of(standing, node) == "on"
    wait_for("lyon within 1 ms", lambda: abs(standing.divergence_s(node)) < 1e-3)
    tracking = standing.host(node).check_output("chronyc -c tracking").split(",")
    assert tracking[-1] == "Normal"
    standing.verb("ntp", "off", node)
    standing.verb("clock", "reset", node)
    standing.verb("clock", "set", node, "-5s")


def ntp_of(standing: StandingLab, node: str) -> str:
    state = standing.cli.json("ntp", "status", node, "--lab", standing.name)["ntp"][0]
    return "on" if state["on"] else "off"


def test_chronyd_steps_by_adjtimex_and_the_app_goes_on(standing: StandingLab) -> None:
    host = standing.host("paris")
    app = host.check_output("s6-svstat -o pid /run/service/app")
    standing.verb("ntp", "on", "paris")
    assert host.check_output("s6-svstat -o up /run/service/chronyd") == "true"
    standing.verb("ntp", "off", "paris")
    assert host.check_output("s6-svstat -o pid /run/service/app") == app
    assert "falling back" not in standing("logs", "paris").lower()


def test_the_host_s_clock_discipline_is_untouched(standing: StandingLab) -> None:
    before = host_discipline()
    standing.verb("ntp", "on")
    wait_for("lyon within 1 ms", lambda: abs(standing.divergence_s("lyon")) < 1e-3)
    standing.verb("ntp", "off")
    standing.verb("clock", "reset", *SERVERS)
    standing.verb("clock", "set", "lyon", "-5s")
    assert host_discipline() == before


def host_discipline() -> tuple[int, int, int]:
    """(freq, constant, tick) of the host's adjtimex(2), read only: modes = 0."""
    timex = (ctypes.c_long * 26)()
    assert ctypes.CDLL(None, use_errno=True).adjtimex(timex) >= 0
    # struct timex on 64 bit: modes, offset, freq, maxerror, esterror, status, constant, ...
    return timex[2], timex[6], timex[11]


def test_only_127_0_0_1_listens_and_only_where_asked(standing: StandingLab) -> None:
    addresses = listening_addresses(standing.port)
    assert addresses == {"127.0.0.1"}
    connection = http.client.HTTPConnection("127.0.0.1", standing.port, timeout=10)
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()
    published = {
        node["node"]: node["ports"]
        for node in standing.cli.json("status", "--lab", standing.name)["nodes"]
        if node["ports"]
    }
    assert published == {"marseille": {"8000": f"127.0.0.1:{standing.port}"}}


def listening_addresses(port: int) -> set[str]:
    """Local addresses of listening TCP sockets on `port`, IPv4 and IPv6."""
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().split("\n")[1:]:
            fields = line.split()
            if fields and fields[3] == "0A" and int(fields[1].split(":")[1], 16) == port:
                address = fields[1].split(":")[0]
                octets = [str(b) for b in reversed(bytes.fromhex(address))]
                found.add(".".join(octets))
    return found


def test_a_seat_can_be_reserved_by_hand(standing: StandingLab) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", standing.port, timeout=10)
    body = json.dumps({"seat": "Z-0001", "buyer": "me"})
    headers = {"Content-Type": "application/json", "Idempotency-Key": "by-hand"}
    connection.request("POST", "/reserve_ticket", body, headers)
    answer = connection.getresponse()
    reservation = json.loads(answer.read())
    connection.close()
    assert answer.status == 201
    assert reservation["server"] == "marseille"
    assert reservation["decision"] == "confirmed"


def test_up_again_changes_nothing(standing: StandingLab) -> None:
    before = labelled(standing.name), standing.host("paris").check_output("cat /etc/hostname")
    done = standing.cli("up", *standing.scenario, "--lab", standing.name)
    assert "is up already" in done.stderr
    after = labelled(standing.name), standing.host("paris").check_output("cat /etc/hostname")
    assert after == before  # a container's host name is its id: it is the same one


def test_a_taken_port_is_named_and_nothing_is_left(standing: StandingLab, cli: Cli) -> None:
    done = cli("up", *standing.scenario, "--lab", "test-taken", exit_code=5)
    assert f"port {standing.port} of 127.0.0.1 is already taken" in done.stderr
    assert "hint:" in done.stderr
    assert labelled("test-taken") == []


def test_an_oscillator_wanders_as_its_seed_says_until_it_is_steadied(
    standing: StandingLab,
) -> None:
    node = "paris"
    standing.verb("clock", "reset", node)
    standing.verb("clock", "temperature", node, "20ppm", "--period", "30s")
    said = standing.verb("clock", "wander", node, "5ppm", "--seed", "7")
    assert "wander 5ppm/√s, temperature ±20ppm/30s" in said

    def as_the_models_say() -> bool:
        shown = standing.cli.json("clock", "show", node, "--lab", standing.name)
        clock, lab_ns = shown["nodes"][node], shown["read_lab_ns"]
        models = Wander(**clock["models"]["wander"]), Temperature(**clock["models"]["temperature"])
        # Read in the very instant in which a step ends, it is another step's.
        expected = sum(model.scaled(lab_ns) for model in models) / SCALED_PER_PPM
        return bool(clock["drift_ppm"] == expected != 0)

    wait_for("the frequency of wander and temperature", as_the_models_say)
    status = standing.cli.json("status", "--lab", standing.name)["nodes"]
    assert next(n for n in status if n["node"] == node)["oscillator"]["wander"]["seed"] == 7
    standing.verb("clock", "steady", node)
    assert "wander" not in standing.verb("clock", "show", node)
    standing.verb("clock", "reset", node)
    assert standing.divergence_s(node) == 0


def test_a_strobed_clock_is_seen_on_both_sides_by_its_own_programs(standing: StandingLab) -> None:
    node = "paris"
    standing.verb("clock", "strobe", node, "1h", "--period", "1s")

    def off_s() -> float:
        return round(standing.date_s(node) - time.time(), -2)

    for expected_s in (3600, 0, 3600):
        wait_for(f"{node} {expected_s} s off", lambda: off_s() == expected_s)  # noqa: B023
    standing.verb("clock", "strobe", node, "0s")
    assert standing.divergence_s(node) == 0


def test_chronyd_steers_an_oscillator_that_wanders(standing: StandingLab) -> None:
    node = "lyon"
    standing.verb("ntp", "off", node)
    standing.verb("clock", "reset", node)
    standing.verb("clock", "wander", node, "10ppm", "--seed", "1")
    standing.verb("clock", "step", node, "50ms")
    standing.verb("ntp", "on", node)
    wait_for("lyon within 1 ms", lambda: abs(standing.divergence_s(node)) < 1e-3)
    shown = standing.cli.json("clock", "show", node, "--lab", standing.name)["nodes"][node]
    assert shown["frequency_ppm"] != 0
    assert shown["models"]["wander"]["per_second_ppm"] == 10  # the daemon took nothing of it away
    standing.verb("ntp", "off", node)
    standing.verb("clock", "reset", node)
    shown = standing.cli.json("clock", "show", node, "--lab", standing.name)["nodes"][node]
    assert (shown["divergence_ns"], shown["drift_ppm"], shown["frequency_ppm"]) == (0, 0, 0)
    standing.verb("clock", "set", node, "-5s")
