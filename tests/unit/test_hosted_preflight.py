"""What keeps a host from being deployed to, told before anything is changed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ntplab.hosted import preflight
from ntplab.hosted.preflight import MIB, Problem

BOOKWORM = 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\nVERSION_ID="12"\n'
NOBLE = 'PRETTY_NAME="Ubuntu 24.04.3 LTS"\nID=ubuntu\nVERSION_ID="24.04"\n'
LISTENING = """\
LISTEN 0 128   0.0.0.0:22  0.0.0.0:* users:(("sshd",pid=38,fd=3))
LISTEN 0 511         *:80        *:* users:(("apache2",pid=99,fd=4),("apache2",pid=98,fd=4))
LISTEN 0 4096    [::]:443     [::]:* users:(("docker-proxy",pid=7,fd=4))
LISTEN 0 4096 127.0.0.1:8443 0.0.0.0:*
"""


@pytest.mark.parametrize("os_release", [BOOKWORM, NOBLE, "ID='debian'\nVERSION_ID='13'"])
def test_supported_distributions(os_release: str) -> None:
    assert preflight.distribution(os_release) is None


@pytest.mark.parametrize(
    ("os_release", "told"),
    [
        ('ID=debian\nVERSION_ID="11"\n', "debian"),
        ('PRETTY_NAME="Fedora Linux 43"\nID=fedora\nVERSION_ID=43\n', "Fedora Linux 43"),
        ('ID=ubuntu\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04 LTS"', "Ubuntu 22.04 LTS"),
        ("", "unknown"),
    ],
)
def test_others_are_told_what_to_take(os_release: str, told: str) -> None:
    problem = preflight.distribution(os_release)
    assert problem == Problem(
        f"the distribution is {told}", "take a host with Debian 12, Debian 13, Ubuntu 24.04"
    )


def test_systemd_has_to_be_process_1() -> None:
    assert preflight.manager("systemd") is None
    problem = preflight.manager("tini")
    assert problem is not None
    assert problem.what == "process 1 is tini, not systemd"


@pytest.mark.parametrize(("kib", "fits"), [(1536000, True), (1535999, False)])
def test_memory(kib: int, fits: bool) -> None:
    assert (preflight.memory(f"MemTotal:  {kib} kB\nMemFree: 1 kB\n", 1500) is None) == fits


def test_memory_that_is_not_told_is_none() -> None:
    assert preflight.memory("", 1) is not None


@pytest.mark.parametrize(
    ("free_mib", "deployed", "fits"),
    [(4096, False, True), (4095, False, False), (2048, True, True), (2047, True, False)],
)
def test_an_update_needs_half_the_disk(free_mib: int, deployed: bool, fits: bool) -> None:
    assert (preflight.disk(free_mib * MIB, 4096, deployed) is None) == fits


def test_ports_name_who_has_them() -> None:
    problems = preflight.ports(LISTENING, [80, 443, 8443, 9000], ours=[])
    assert [problem.what for problem in problems] == [
        "port 80 is taken by apache2",
        "port 443 is taken by docker-proxy",
        "port 8443 is taken by some program",
    ]


def test_ports_of_our_own_stack_are_no_problem() -> None:
    shown = "0.0.0.0:443->8443/tcp, [::]:443->8443/tcp\n9000/tcp\n"
    assert preflight.published(shown) == [443]
    assert preflight.ports(LISTENING, [443], preflight.published(shown)) == []


def test_it_stands_alone_and_tells_every_problem() -> None:
    """As Ansible runs it: one file, no package around it."""
    asked = ["--memory-min-mib", "999999999", "--disk-min-mib", "999999999999"]
    done = subprocess.run(
        [sys.executable, "-I", "-", *asked],
        input=Path(preflight.__file__).read_text(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "MiB of memory, 999999999 are needed" in done.stdout
    assert "are free in /var/lib" in done.stdout
    assert done.stdout.count("  hint: ") >= 2
