"""Looks at a deployed host without changing it; `doctor.py` judges what is found here."""

from __future__ import annotations

import re
import shutil
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

HOME = Path("/opt/ntplab")
BACKUPS = Path("/var/backups/ntplab")
UNITS = (
    "docker.service",
    "chrony.service",
    "ntplab.service",
    "ssh.service",
    "ntplab-firewall.service",
    "ntplab-backup.timer",
)
CAP_SYS_TIME = 25
WITHIN_S = 10.0
_DAY_S = 86_400.0


@dataclass(frozen=True)
class Findings:
    """What a host looks like. Empty where there is nothing to see."""

    release: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    units: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    tracking: str = ""
    may_set_clock: bool = True
    disk_free_bytes: int = 0
    memory_free_bytes: int = 0
    containers: str = ""
    listening: Sequence[tuple[str, int]] = ()
    ssh_ports: Sequence[int] = ()
    page_status: int = 0
    page_error: str = ""
    certificate_days_left: float | None = None
    backup_age_days: float | None = None
    reboot_required: bool = False


def find(home: Path = HOME) -> Findings:
    """Look at everything; what cannot be looked at stays empty."""
    current = home / "current"
    if not current.exists():
        return Findings()
    settings = parse_settings((current / "settings.env").read_text())
    status, error = _ask_page(settings)
    return Findings(
        release=current.resolve().name,
        settings=settings,
        units={unit: (_state("is-active", unit), _state("is-enabled", unit)) for unit in UNITS},
        tracking=_output("chronyc", "-c", "tracking"),
        may_set_clock=may_set_clock(Path("/proc/1/status").read_text()),
        disk_free_bytes=min(shutil.disk_usage(path).free for path in (home, "/var/lib/docker")),
        memory_free_bytes=parse_available(Path("/proc/meminfo").read_text()),
        containers=_output("ntplab-compose", "ps", "--all", "--format", "json"),
        listening=parse_listening(_output("ss", "-Hltn")),
        ssh_ports=[int(port) for port in re.findall(r"(?m)^port (\d+)$", _output("sshd", "-T"))],
        page_status=status,
        page_error=error,
        certificate_days_left=_certificate_days_left(settings),
        backup_age_days=_newest_age_days(BACKUPS),
        reboot_required=Path("/run/reboot-required").exists(),
    )


def parse_settings(text: str) -> dict[str, str]:
    """An env file: `NAME=VALUE` lines, comments."""
    lines = (line.strip() for line in text.splitlines())
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def may_set_clock(status: str) -> bool:
    """From the text of /proc/1/status: what anything on this host may ever have."""
    found = re.search(r"^CapBnd:\s*([0-9a-f]+)$", status, re.MULTILINE)
    return bool(found and int(found[1], 16) >> CAP_SYS_TIME & 1)


def parse_available(meminfo: str) -> int:
    """MemAvailable of /proc/meminfo, in bytes."""
    found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def parse_listening(printed: str) -> list[tuple[str, int]]:
    """Address and port of each line of `ss -Hltn`."""
    local = (line.split()[3] for line in printed.splitlines() if len(line.split()) > 3)
    split = (one.rpartition(":") for one in local)
    return sorted({(address, int(port)) for address, _, port in split if port.isdigit()})


def parse_end(printed: str) -> datetime | None:
    """`notAfter=...` of `openssl x509 -enddate`."""
    _, _, date = printed.strip().partition("=")
    try:
        return datetime.strptime(date, "%b %d %H:%M:%S %Y %Z").replace(tzinfo=UTC)
    except ValueError:
        return None


def _output(*command: str, stdin: str = "") -> str:
    try:
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=60, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout


def _state(question: str, unit: str) -> str:
    said = _output("systemctl", question, unit).strip()
    return "" if _output("systemctl", "cat", unit) == "" else said


def _ask_page(settings: Mapping[str, str]) -> tuple[int, str]:
    """The status of the page through the proxy, as a browser on this host would ask for it."""
    plain = settings.get("NTPLAB_TLS") == "plain"
    scheme, name = ("http", "HTTP") if plain else ("https", "HTTPS")
    port = settings.get(f"NTPLAB_{name}_PORT", "")
    # Who vouches for the certificate is another check's question.
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    asked = urllib.request.Request(
        f"{scheme}://127.0.0.1:{port}/", headers={"Host": settings.get("NTPLAB_SITE", "")}
    )
    try:
        with urllib.request.urlopen(asked, timeout=WITHIN_S, context=context) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, ""
    except OSError as error:
        return 0, f"does not answer: {error}"


def _certificate_days_left(settings: Mapping[str, str]) -> float | None:
    try:
        port = int(settings.get("NTPLAB_HTTPS_PORT", ""))
        shown = ssl.get_server_certificate(("127.0.0.1", port), timeout=WITHIN_S)
    except (OSError, ValueError):
        return None
    end = parse_end(_output("openssl", "x509", "-noout", "-enddate", stdin=shown))
    return (end.timestamp() - time.time()) / _DAY_S if end else None


def _newest_age_days(folder: Path) -> float | None:
    made = [path.stat().st_mtime for path in folder.glob("ntplab-*.tar.gz")]
    return (time.time() - max(made)) / _DAY_S if made else None
