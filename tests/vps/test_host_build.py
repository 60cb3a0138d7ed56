"""From SSH to the page on a host that builds its images by itself: minutes, so on request only."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from ntplab.hostclock import read_host_discipline

from ..lab.kit import Cli, wait_for
from .host import SITE, STANDING, Vps
from .stack import HOST_CA
from .standin import StandIn

pytestmark = [pytest.mark.docker, pytest.mark.long]


def test_a_fresh_host_builds_its_images_and_shows_the_page(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    machine = StandIn(tmp_path / "vps")
    try:
        machine.start()
        vps = Vps(machine, Path(), read_host_discipline())
        # Where this machine's outgoing TLS is re-signed, so is the stand-in's.
        authorities = ["--set", f"ntplab_build_ca={HOST_CA}"] if HOST_CA.exists() else []
        began_s = time.monotonic()
        done = Cli(tmp_path)(
            "deploy", f"root@{machine.address}", "--site", SITE, "--tls", "self-signed",
            "--ssh", machine.ssh_options, "--set", "host_time_wait_s=1", *authorities,
            exit_code=None,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        wait_for("the page", lambda: vps.ask("GET", "/").status_code == 200, timeout_s=60)
        took_s = time.monotonic() - began_s
        record_property("from_ssh_to_page_s", took_s)
        print(f"from SSH to the page: {took_s:.0f} s")
        assert set(vps.containers()) == STANDING
        assert machine.inside("docker image ls -q debian:trixie-slim").strip(), "no base image"
    finally:
        machine.remove()
