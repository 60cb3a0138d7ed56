"""A host to deploy to, as its tests see it: fresh, with a time server that signs its answers."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from pathlib import Path
from typing import Any

import requests
import urllib3
from testinfra.host import Host

from ntplab.hostclock import HostDiscipline

from ..lab.kit import Cli
from .standin import IMAGE, StandIn, run

SITE = "vps.test"
SECRETS = "/etc/ntplab/secrets"
STANDING = {"observer", "ntp1", "db", "paris", "lyon", "marseille", "buyers", "page", "proxy"}

# What a host that was given back may differ in: backups of account files, caches, what apt renews.
SNAPSHOT = r"""
dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' | grep ' ii'
cut -d: -f1 /etc/passwd /etc/group
find /etc /opt /usr/local /root -xdev \( -type f -o -type l \) \
  ! -path '/etc/*-' ! -path /etc/ld.so.cache ! -path '/root/.ansible/*' ! -path '/root/.docker/*' |
  sort | while read -r path; do
    if [ -L "$path" ]; then echo "$path -> $(readlink "$path")"; else md5sum "$path"; fi
  done
find /var/lib/docker /var/lib/containerd /var/lib/ntplab /var/backups/ntplab -mindepth 1 2>/dev/null
stat -c '%a %U %n' / /etc /opt /usr /usr/local /usr/local/bin /usr/local/sbin /var /var/lib
cat /proc/sys/net/ipv4/ip_forward
ls /sys/class/net
ss -Hltn | awk '{print $4}' | sort
systemctl list-units --type=service --state=running --plain --no-legend | awk '{print $1}' |
  grep -v -e session -e user@ | sort
"""


class TimeServer:
    """`time.test`, and the authority that vouches for it."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.name = folder, f"ntplab-test-time-{os.getpid()}"

    def start(self) -> None:
        self._make_certificate()
        settings = [
            "local stratum 5", "allow", "cmdport 0", "port 123",
            "ntsserverkey /nts/key.pem", "ntsservercert /nts/certificate.pem",
        ]  # fmt: skip
        chronyd = f"exec chronyd -d -x -u root {shlex.join(settings)}"
        install = "apt-get install -qy --no-install-recommends chrony >/dev/null 2>&1"
        run(
            "docker", "run", "-d", "--name", self.name, "-v", f"{self.folder}:/nts:ro", IMAGE,
            "sh", "-c", f"{install}; {chronyd}",
        )  # fmt: skip

    def _make_certificate(self) -> None:
        run(
            "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
            "-nodes", "-days", "2", "-subj", "/CN=time.test",
            "-addext", "subjectAltName=DNS:time.test", "-keyout", str(self.folder / "key.pem"),
            "-out", str(self.folder / "certificate.pem"),
        )  # fmt: skip

    @property
    def address(self) -> str:
        shown = run("docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", self.name)
        return shown.stdout.strip()

    @property
    def authority(self) -> str:
        return (self.folder / "certificate.pem").read_text()

    def remove(self) -> None:
        run("docker", "rm", "-f", "-v", self.name, check=False)


class Vps:
    """The stand-in with what the tests know of it."""

    def __init__(self, machine: StandIn, archive: Path, clock_before: HostDiscipline) -> None:
        self.machine, self.archive, self.clock_before = machine, archive, clock_before
        self.found = machine.inside(SNAPSHOT)

    @property
    def variables(self) -> dict[str, object]:
        """As `deployed` gave them."""
        return {
            "ntplab_site": SITE,
            "ntplab_images_archive": str(self.archive),
            "ntplab_settings": {"NTPLAB_LOAD_HZ": 1},
            "host_time_sources": [{"address": "time.test", "nts": True}],
        }

    @property
    def options(self) -> list[str]:
        """The same for `deploy`, but for the certificate."""
        told = {name: json.dumps(value) for name, value in self.variables.items()}
        return [
            "--site", SITE, "--images", str(self.archive),
            "--set", f"host_time_sources={told['host_time_sources']}",
            "--set", f"ntplab_settings={told['ntplab_settings']}",
        ]  # fmt: skip

    @property
    def host(self) -> Host:
        return self.machine.host

    def deploy(self, *argv: str, exit_code: int = 0) -> subprocess.CompletedProcess[str]:
        """`./ntplab deploy`, as the documentation says."""
        login, options = f"root@{self.machine.address}", self.machine.ssh_options
        cli = Cli(self.machine.folder)
        return cli("deploy", login, "--ssh", options, *argv, exit_code=exit_code)

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        """Of the page, over HTTPS from outside; its certificate is its own."""
        with urllib3.warnings.catch_warnings():
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            headers = {"Host": SITE, **options.pop("headers", {})}
            return requests.request(
                method, f"https://{self.machine.address}{path}", headers=headers,
                verify=False, timeout=60, allow_redirects=False, **options,
            )  # fmt: skip

    @property
    def token(self) -> str:
        return self.machine.inside(f"cat {SECRETS}/page_token").strip()

    @property
    def release(self) -> str:
        return self.machine.inside("basename $(readlink /opt/ntplab/current)").strip()

    def containers(self) -> dict[str, str]:
        """Service -> id, of those that run."""
        shown = self.machine.inside("ntplab-compose ps --format '{{.Service}} {{.ID}}'")
        return dict(line.split() for line in shown.splitlines())

    def sql(self, statement: str) -> str:
        psql = "ntplab-compose exec -T db psql -h /run/postgresql -U postgres -d postgres"
        return self.machine.inside(f"{psql} -Atqc {shlex.quote(statement)}").strip()

    def opens(self, port: int) -> bool:
        """Whether a connection from outside gets through."""
        probe = f"exec 3<>/dev/tcp/{self.machine.address}/{port}"
        return run("timeout", "2", "bash", "-c", probe, check=False).returncode == 0
