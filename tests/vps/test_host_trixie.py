"""Deploying to a Debian 13, whose Docker Engine, systemd and chrony are newer: minutes, so on
request only. What a deployment is in all its parts test_host.py tells, on a Debian 12."""

from __future__ import annotations

from pathlib import Path

import pytest

from ntplab.hostclock import read_host_discipline

from .host import SITE, SNAPSHOT, STANDING, Vps
from .stack import build_images
from .standin import StandIn, save_images

pytestmark = [pytest.mark.docker, pytest.mark.long]


def test_a_debian_13_is_deployed_to_and_given_back(tmp_path: Path) -> None:
    build_images()
    archive = tmp_path / "images.tar"
    save_images(archive)
    machine = StandIn(tmp_path / "vps", release="trixie")
    try:
        machine.start()
        vps = Vps(machine, archive, read_host_discipline())
        options = [
            "--site", SITE, "--tls", "self-signed", "--images", str(archive),
            "--set", "host_time_wait_s=1",
        ]  # fmt: skip
        vps.deploy(*options)
        assert set(vps.containers()) == STANDING
        assert vps.ask("GET", "/").status_code == 200
        assert vps.opens(443)
        assert not vps.opens(123)
        assert machine.inside(". /etc/os-release; echo $VERSION_ID").strip() == "13"
        assert "changed=0 " in vps.deploy(*options).stdout, "a second run changes something"
        vps.deploy("--uninstall", "--set", "ntplab_keep_backups=false")
        left, found = (set(text.splitlines()) for text in (machine.inside(SNAPSHOT), vps.found))
        assert (sorted(left - found), sorted(found - left)) == ([], [])
    finally:
        machine.remove()
