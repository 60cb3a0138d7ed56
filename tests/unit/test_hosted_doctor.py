"""What the doctor of a deployed host makes of what it finds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ntplab.hosted import __main__ as command
from ntplab.hosted import doctor, findings
from ntplab.hosted.doctor import HostCheck, judge
from ntplab.hosted.findings import Findings

SYNCHRONIZED = (
    "A29FC87B,time.cloudflare.com,4,1767225600.1,0.000012345,-0.000011,0.0001,1.5,0.0,0.1,"
    "0.01,0.001,64.3,Normal"
)
LOST = (
    "00000000,,0,0.000000000,0.000000000,0.0,0.0,0.0,0.0,0.0,1.000000000,1.000000000,0.0,"
    "Not synchronised"
)


def container(service: str, state: str = "running", health: str = "healthy", code: int = 0) -> str:
    return json.dumps(
        {"Service": service, "State": state, "Health": health, "ExitCode": code}
    )  # fmt: skip


WELL = Findings(
    release="0123456789ab",
    settings={"NTPLAB_TLS": "acme", "NTPLAB_HTTP_PORT": "80", "NTPLAB_HTTPS_PORT": "443"},
    units=dict.fromkeys(findings.UNITS, ("active", "enabled")),
    tracking=SYNCHRONIZED,
    disk_free_bytes=20 << 30,
    memory_free_bytes=1 << 30,
    containers="\n".join([container("page"), container("base", "exited", "", 0)]),
    listening=[("0.0.0.0", 22), ("0.0.0.0", 80), ("0.0.0.0", 443), ("127.0.0.1", 33103)],
    ssh_ports=[22],
    page_status=200,
    certificate_days_left=60.0,
    backup_age_days=0.5,
)


def by_name(found: Findings) -> dict[str, HostCheck]:
    return {check.name: check for check in judge(found)}


def test_a_host_that_is_well() -> None:
    checks = list(judge(WELL))
    assert {check.status for check in checks} == {"ok"}
    assert [check.name for check in checks][-7:] == [
        "disk", "memory", "stack", "ports", "page", "certificate", "backup"
    ]  # fmt: skip


def test_where_nothing_is_deployed_nothing_else_is_asked() -> None:
    (check,) = judge(Findings())
    assert (check.status, check.detail) == ("fail", "nothing is deployed here")


@pytest.mark.parametrize(
    ("change", "name", "status", "said"),
    [
        ({"tracking": ""}, "clock", "fail", "chronyd does not answer"),
        ({"tracking": LOST}, "clock", "warn", "not synchronized yet"),
        ({"tracking": SYNCHRONIZED.replace("0.000012345", "-2.5")}, "clock", "warn", "-2.5"),
        ({"may_set_clock": False}, "clock", "ok", "only observed"),
        ({"disk_free_bytes": 2 << 30}, "disk", "warn", "2.0 GiB free"),
        ({"disk_free_bytes": 1 << 29}, "disk", "fail", "0.5 GiB free"),
        ({"memory_free_bytes": 100 << 20}, "memory", "warn", "100 MiB"),
        ({"containers": ""}, "stack", "fail", "no container"),
        ({"containers": container("db", health="unhealthy")}, "stack", "fail", "db is unhealthy"),
        ({"containers": container("db", health="starting")}, "stack", "fail", "db is starting"),
        ({"containers": container("db", "restarting", "")}, "stack", "fail", "db is restarting"),
        ({"containers": container("db", "exited", "", 1)}, "stack", "fail", "db is exited"),
        ({"listening": [("0.0.0.0", 22), ("0.0.0.0", 443)]}, "ports", "fail", "on 80"),
        ({"listening": [*WELL.listening, ("[::]", 5432)]}, "ports", "warn", "5432"),
        ({"page_status": 502}, "page", "fail", "status 502"),
        ({"page_status": 0, "page_error": "does not answer"}, "page", "fail", "does not answer"),
        ({"certificate_days_left": None}, "certificate", "fail", "shows none"),
        ({"certificate_days_left": -3.0}, "certificate", "fail", "3 days ago"),
        ({"certificate_days_left": 5.0}, "certificate", "warn", "5 days"),
        ({"backup_age_days": None}, "backup", "warn", "none yet"),
        ({"backup_age_days": 9.0}, "backup", "warn", "9 days old"),
        ({"reboot_required": True}, "updates", "warn", "reboot"),
    ],
)
def test_what_is_wrong(change: dict[str, object], name: str, status: str, said: str) -> None:
    check = by_name(replace(WELL, **change))[name]  # type: ignore[arg-type]
    assert check.status == status
    assert said in check.detail
    assert bool(check.hint) == (status != "ok")


def test_services() -> None:
    units = {
        **WELL.units,
        "docker.service": ("failed", "enabled"),
        "chrony.service": ("active", "disabled"),
        "ntplab-firewall.service": ("", ""),
    }
    checks = by_name(replace(WELL, units=units))
    assert checks["service docker"].status == "fail"
    assert checks["service chrony"].status == "warn"
    assert "service ntplab-firewall" not in checks, "a firewall is a choice"


def test_plain_http_has_no_certificate_to_look_at() -> None:
    plain = {**WELL.settings, "NTPLAB_TLS": "plain"}
    assert "certificate" not in by_name(replace(WELL, settings=plain, certificate_days_left=None))


def test_reading_what_programs_print() -> None:
    assert findings.parse_settings("# no\nA=1\n\nB=x=y\n") == {"A": "1", "B": "x=y"}
    assert findings.parse_available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n") == 2 << 20
    shown = "LISTEN 0 1 [::]:22 [::]:*\nLISTEN 0 1 127.0.0.1%lo:53 0.0.0.0:*\nrubbish\n"
    assert findings.parse_listening(shown) == [("127.0.0.1%lo", 53), ("[::]", 22)]
    end = findings.parse_end("notAfter=Mar  4 08:15:30 2027 GMT\n")
    assert end == datetime(2027, 3, 4, 8, 15, 30, tzinfo=UTC)
    assert findings.parse_end("unable to load certificate") is None


@pytest.mark.parametrize(("mask", "may"), [("000001ffffffffff", True), ("00000000a80425fb", False)])
def test_the_right_to_set_the_clock(mask: str, may: bool) -> None:
    assert findings.may_set_clock(f"Name:\tsystemd\nCapBnd:\t{mask}\nCapAmb:\t0\n") == may


def test_a_machine_without_a_deployment(tmp_path: Path) -> None:
    assert findings.find(tmp_path) == Findings()


@pytest.mark.parametrize(("status", "code"), [("ok", 0), ("warn", 0), ("fail", 5)])
def test_the_command_of_a_host(
    status: doctor.Status,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    checks = [HostCheck("disk", status, "so much", "make room")]
    monkeypatch.setattr(command, "examine", lambda: checks)
    assert command.main(["doctor", "--host"]) == code
    shown = capsys.readouterr().out
    assert shown.startswith(f"{status:4} disk: so much\n")
    assert ("hint: make room" in shown) == (status != "ok")
    assert command.main(["doctor", "--host", "--json"]) == code
    assert json.loads(capsys.readouterr().out)["ok"] == (code == 0)
    assert command.main(["doctor", "--host", "--what"]) == 2
