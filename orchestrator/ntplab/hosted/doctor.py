"""Is a deployed host well? Run on that host, with the standard library only.

`findings.py` says what is there, `judge` what it means; nothing here changes the host. The entry is
`examine`, or `python3 -m ntplab.hosted` where there is no environment.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from .findings import Findings, find

Status = Literal["ok", "warn", "fail"]

UNITS = ("docker.service", "chrony.service", "ntplab.service", "ssh.service")
UNITS_OPTIONAL = ("ntplab-firewall.service", "ntplab-backup.timer")
"""Where the settings ask for them."""
DISK_FREE_MIN_BYTES, DISK_FREE_GOOD_BYTES = 1 << 30, 3 << 30
MEMORY_GOOD_BYTES = 200 << 20
CERTIFICATE_GOOD_DAYS = 14
BACKUP_GOOD_DAYS = 3
CLOCK_GOOD_S = 0.1


@dataclass(frozen=True)
class HostCheck:
    """One line of the report, as those of `doctor/`."""

    name: str
    status: Status
    detail: str
    hint: str = ""


def examine() -> list[HostCheck]:
    """Every check of this host, in order."""
    return list(judge(find()))


def judge(found: Findings) -> Iterator[HostCheck]:
    """What the findings mean. Pure."""
    yield deployment(found.release)
    if not found.release:
        return
    yield from services(found.units)
    yield clock(found.tracking, found.may_set_clock)
    yield disk(found.disk_free_bytes)
    yield memory(found.memory_free_bytes)
    yield stack(found.containers)
    yield ports(found.listening, found.settings, found.ssh_ports)
    yield page(found.page_status, found.page_error)
    if found.settings.get("NTPLAB_TLS") != "plain":
        yield certificate(found.certificate_days_left)
    yield backup(found.backup_age_days)
    if found.reboot_required:
        yield HostCheck("updates", "warn", "the host asks for a reboot", "reboot")


def deployment(release: str) -> HostCheck:
    """A release is in use."""
    if release:
        return HostCheck("deployment", "ok", f"release {release}")
    return HostCheck(
        "deployment", "fail", "nothing is deployed here", "./ntplab deploy, where you have it"
    )


def services(units: Mapping[str, tuple[str, str]]) -> Iterator[HostCheck]:
    """`units`: what systemd says of each, active and enabled."""
    for unit in (*UNITS, *UNITS_OPTIONAL):
        active, enabled = units.get(unit, ("", ""))
        if unit in UNITS_OPTIONAL and not active:
            continue
        name = unit.partition(".")[0]
        if active not in ("active", "reloading"):
            yield HostCheck(
                f"service {name}", "fail", active or "missing", f"journalctl -u {unit} -n 30"
            )
        elif enabled not in ("enabled", "static", "alias"):
            hint = f"systemctl enable {unit}"
            yield HostCheck(f"service {name}", "warn", "does not come back after a reboot", hint)
        else:
            yield HostCheck(f"service {name}", "ok", "runs, also after a reboot")


def clock(tracking: str, may_set: bool) -> HostCheck:
    """`tracking`: the line of `chronyc -c tracking`; see chronyc(1) for its fields."""
    fields = tracking.strip().split(",")
    if len(fields) < 14:
        return HostCheck("clock", "fail", "chronyd does not answer", "journalctl -u chrony -n 30")
    if fields[13] == "Not synchronised":
        hint = "`chronyc -n sources` says which sources answer; is UDP 123 let out?"
        return HostCheck("clock", "warn", "not synchronized yet", hint)
    offset_s, source = float(fields[4]), fields[1] or fields[0]
    detail = f"synchronized to {source}, stratum {fields[2]}, {offset_s:+.6f} s"
    if not may_set:
        detail += "; only observed: this host may not set its clock"
    if abs(offset_s) > CLOCK_GOOD_S:
        hint = "chronyd is at it" if may_set else "whoever runs the machine underneath sets it"
        return HostCheck("clock", "warn", detail, hint)
    return HostCheck("clock", "ok", detail)


def disk(free_bytes: int) -> HostCheck:
    """Room for the database, recordings and logs."""
    detail = f"{free_bytes / (1 << 30):.1f} GiB free"
    hint = "`docker system df` and `du -xh /var --max-depth 2` show what is used"
    if free_bytes < DISK_FREE_MIN_BYTES:
        return HostCheck("disk", "fail", detail, hint)
    if free_bytes < DISK_FREE_GOOD_BYTES:
        return HostCheck("disk", "warn", detail, hint)
    return HostCheck("disk", "ok", detail)


def memory(free_bytes: int) -> HostCheck:
    """What the kernel could still give away."""
    detail = f"{free_bytes >> 20} MiB available"
    if free_bytes < MEMORY_GOOD_BYTES:
        return HostCheck("memory", "warn", detail, "`docker stats --no-stream` shows who has it")
    return HostCheck("memory", "ok", detail)


def stack(printed: str) -> HostCheck:
    """`printed`: what `docker compose ps --all --format json` says, one document a line."""
    containers = [json.loads(line) for line in printed.splitlines() if line.startswith("{")]
    if not containers:
        return HostCheck("stack", "fail", "no container is there", "systemctl restart ntplab")
    wrong = [
        f"{one['Service']} is {one.get('Health') or one['State']}"
        for one in containers
        if not _is_well(one)
    ]
    if wrong:
        hint = "`ntplab-compose logs SERVICE` says why; systemctl restart ntplab"
        return HostCheck("stack", "fail", ", ".join(sorted(wrong)), hint)
    running = sum(one["State"] == "running" for one in containers)
    return HostCheck("stack", "ok", f"{running} services run and are healthy")


def _is_well(container: Mapping[str, object]) -> bool:
    if container["State"] == "exited":
        return container.get("ExitCode") == 0
    return container["State"] == "running" and container.get("Health") in ("healthy", "", None)


def ports(
    listening: Iterable[tuple[str, int]], settings: Mapping[str, str], ssh: Sequence[int]
) -> HostCheck:
    """`listening`: address and port of all that accepts TCP connections."""
    there = set(listening)
    public = {port for address, port in there if not address.startswith(("127.", "[::1]"))}
    wanted = {int(settings.get(f"NTPLAB_{name}_PORT", "0")) for name in ("HTTP", "HTTPS")}
    missing = wanted - {port for _, port in there}
    if missing:
        listed = ", ".join(map(str, sorted(missing)))
        return HostCheck(
            "ports", "fail", f"nothing listens on {listed}", "systemctl restart ntplab"
        )
    strange = public - wanted - set(ssh)
    if strange:
        listed = ", ".join(map(str, sorted(strange)))
        hint = "`ss -ltnp` shows by whom; the firewall keeps them from outside, unless it is off"
        return HostCheck("ports", "warn", f"beside SSH, HTTP and HTTPS: {listed}", hint)
    return HostCheck("ports", "ok", f"only {', '.join(map(str, sorted(public)))} from outside")


def page(status: int, error: str) -> HostCheck:
    """The answer to a request for the page, through the proxy."""
    if status == 200:
        return HostCheck("page", "ok", "answers")
    detail = error or f"answers with status {status}"
    return HostCheck("page", "fail", detail, "ntplab-compose logs --tail 20 proxy page")


def certificate(days_left: float | None) -> HostCheck:
    """How long the certificate that the proxy shows is good."""
    name = "certificate"
    if days_left is None:
        return HostCheck(name, "fail", "the proxy shows none", "ntplab-compose logs proxy")
    if days_left < 0:
        return HostCheck(
            name, "fail", f"ran out {-days_left:.0f} days ago", "deploy with a new one"
        )
    if days_left < CERTIFICATE_GOOD_DAYS:
        hint = "deploy with a new one; ACME's: ntplab-compose logs proxy"
        return HostCheck(name, "warn", f"good for {days_left:.0f} days", hint)
    return HostCheck(name, "ok", f"good for {days_left:.0f} days")


def backup(age_days: float | None) -> HostCheck:
    """The newest backup on the host."""
    if age_days is None:
        return HostCheck("backup", "warn", "there is none yet", "ntplab-backup makes one")
    if age_days > BACKUP_GOOD_DAYS:
        return HostCheck(
            "backup",
            "warn",
            f"the newest is {age_days:.0f} days old",
            "journalctl -u ntplab-backup -n 30",
        )
    return HostCheck("backup", "ok", f"the newest is {age_days * 24:.0f} hours old")
