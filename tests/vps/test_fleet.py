"""The fleet for real: playbooks over SSH on two machines with kernels and clocks of their own.

The guests are User Mode Linux (`umlfleet.py`): what is set wrong here is their clocks, never this
machine's, which the last test proves.
"""

from __future__ import annotations

import ctypes
import json
import os
import platform
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from conftest import REPO
from ntplab.evidence import RunDirectory
from ntplab.fleet import NoAnswer, query
from ntplab.fleet.sntp import ProbeReading
from ntplab.labtime import LabClock, raw_ns
from umlfleet import GATEWAY, Guests, guests

PLAYBOOKS = REPO / "playbooks" / "vps"
PACK = PLAYBOOKS / "roles" / "fleet" / "files" / "pack"
S = 1_000_000_000
PROBE_PORT = 11123
WRONG_NS_MAX = 100_000_000
"""Guests on a busy machine are held up for some ten milliseconds."""

SCENARIO = """
name: fleet
policy: {name: timestamp-order, stability: 250ms}
servers:
  - name: paris
  - {name: lyon, clock: {offset: -5s}}
time_servers: [{name: reference}]
load: [{pattern: races, rate: 3/s, gap: [600ms, 900ms]}]
phases:
  - {name: ntp-off, ntp: off, clocks: skewed, duration: 5s}
  - {name: ntp-on, ntp: on, duration: 3s, settle: {limit: 100ms, timeout: 60s}}
expect:
  - phases.ntp-off.bookings.double_bookings > 0
  - phases.ntp-off.bookings.unexplained == 0
  - phases.ntp-on.bookings.double_bookings == 0
"""

pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(platform.machine() != "x86_64", reason="no User Mode Linux for it"),
]


@dataclass(frozen=True)
class OwnClock:
    """This machine's: what adjtimex says of its steering, and wall clock minus raw clock."""

    frequency: int
    status: int
    apart_ns: int
    raw_ns: int

    @classmethod
    def now(cls) -> OwnClock:
        timex = (ctypes.c_long * 64)()
        ctypes.CDLL(None).adjtimex(ctypes.byref(timex))
        # struct timex: modes, offset, freq, maxerror, esterror, status
        raw = raw_ns()
        return cls(timex[2], timex[5] & 0xFFFF_FFFF, time.time_ns() - raw, raw)


@dataclass
class Fleet:
    guests: Guests
    folder: Path
    before: OwnClock

    def inventory(self, *allowed: str) -> Path:
        """The inventory in which those hosts allow their clock to be changed."""
        hosts = {
            name: {"ansible_host": address, **_allow(name in allowed)}
            for name, address in self.guests.addresses.items()
        }
        options = "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o ConnectTimeout=5"
        variables = {
            "ansible_user": "root",
            "ansible_python_interpreter": "/usr/bin/python3",
            "ansible_ssh_private_key_file": str(self.guests.image / "key"),
            "ansible_ssh_common_args": options,
            "fleet_allow": [GATEWAY],
            "fleet_time_sources": [GATEWAY],
            "fleet_reference": GATEWAY,
            "fleet_secrets": str(self.folder / "secrets"),
            "fleet_install_packages": False,
        }
        path = self.folder / "hosts.yml"
        path.write_text(json.dumps({"servers": {"hosts": hosts, "vars": variables}}))
        return path

    def play(
        self, name: str, inventory: Path, *tags: str, **variables: object
    ) -> subprocess.CompletedProcess[str]:
        program = Path(sys.executable).with_name("ansible-playbook")
        extra = f"--extra-vars={json.dumps(variables)}"
        argv = ("env", "ANSIBLE_PIPELINING=1", "ANSIBLE_NOCOLOR=1", program)
        return self.guests.run(
            *argv, f"--inventory={inventory}", extra, *tags, PLAYBOOKS / f"{name}.yml", within_s=300
        )

    def off_ns(self, name: str) -> int:
        """How far a guest's clock is from this machine's, by an NTP query."""
        found: list[ProbeReading] = []
        deadline = time.monotonic() + 20
        address = self.guests.addresses[name]
        with self.guests.network():
            while len(found) < 3:
                try:
                    found.append(query(address, PROBE_PORT, LabClock.anchored_now(), 1))
                except NoAnswer:
                    assert time.monotonic() < deadline, f"{name} does not answer"
                    time.sleep(0.1)
        return min(found, key=lambda one: one.error_ns).offset_ns


def _allow(allowed: bool) -> dict[str, bool]:
    return {"allow_clock_changes": True} if allowed else {}


def until(holds: Callable[[], bool], within_s: float, what: str) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, what
        time.sleep(0.5)


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two guests with booking servers on their real clocks."""
    if os.geteuid() != 0:
        pytest.skip("making a network of its own for the guests takes root")
    missing = [p for p in ("linux.uml", "mmdebstrap", "ip", "ssh") if not shutil.which(p)]
    if missing:
        pytest.fail(f"missing: {', '.join(missing)}; `./ntplab test vps` installs them")
    before = OwnClock.now()
    version = "3.11"  # Debian 12's, as the guests are
    # The guests' network has no way to the package index: it is packed before.
    packed = (PACK, REPO / "images", REPO / ".cache" / "fleet", version, "x86_64", sys.executable)
    subprocess.run(packed, check=True, capture_output=True)
    with guests("paris", "lyon") as found:
        yield Fleet(found, tmp_path_factory.mktemp("fleet"), before)


def test_a_host_that_does_not_allow_it_keeps_its_clock_and_so_do_the_others(fleet: Fleet) -> None:
    inventory = fleet.inventory("paris")
    for name, variables in (("skew", {"offset_s": -5}), ("ntp", {"ntp": "off"})):
        done = fleet.play(name, inventory, **variables)
        assert done.returncode != 0
        assert "lyon does not allow its clock to be changed. Nothing was changed" in done.stdout
    for name in ("paris", "lyon"):
        assert fleet.guests.ssh(name, "ls /usr/local/sbin") == "guest-network"


def test_a_run_on_real_clocks_double_books_while_ntp_is_off(fleet: Fleet) -> None:
    scenario = fleet.folder / "fleet.yaml"
    scenario.write_text(SCENARIO)
    out = fleet.folder / "run"
    argv = ("-m", "ntplab", "fleet", "run", scenario, "--out", out)
    inventory = fleet.inventory("paris", "lyon")
    environment = ("env", f"PYTHONPATH={REPO / 'orchestrator'}")
    done = fleet.guests.run(
        *environment, sys.executable, *argv, "--inventory", inventory, within_s=500
    )
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads((out / "results.json").read_text())
    assert (results["verdict"], results["truth"]) == ("met", "ntp-probe")
    off, on = results["phases"]
    assert off["divergence"]["servers"]["lyon"]["median_ns"] == pytest.approx(
        -5 * S, abs=WRONG_NS_MAX
    )
    assert {d["status"] for d in off["bookings"]["double_booking_details"]} == {"explained"}
    assert on["sync"]["beliefs"] > 0
    manifest = RunDirectory.open(out).read_manifest()
    assert 0 < max(manifest.lab_errors_ns.values()) < WRONG_NS_MAX
    assert "no ground truth" in (out / "report.html").read_text()
    # The run has put right what it set wrong.
    for name in ("paris", "lyon"):
        said = json.loads(fleet.guests.ssh(name, "ntplab-clock status"))
        assert (said["skewed"], said["armed"], said["chrony"]) == (False, False, True)
        assert abs(fleet.off_ns(name)) < WRONG_NS_MAX


def test_the_watchdog_restores_time_by_chrony_and_without_any_network(fleet: Fleet) -> None:
    inventory = fleet.inventory("paris", "lyon")
    probed = fleet.play("fleet", inventory, "--tags=fleet_time")
    assert probed.returncode == 0, probed.stdout
    off = fleet.play("ntp", inventory, ntp="off")
    assert off.returncode == 0, off.stdout
    done = fleet.play("skew", inventory, offset_s=-5, restore_after_minutes=0.25)
    assert done.returncode == 0, done.stdout
    assert "read back" in done.stdout
    # Nobody is there any more, not even the network.
    fleet.guests.link("lyon", "down")
    until(lambda: abs(fleet.off_ns("paris")) < WRONG_NS_MAX, 60, "paris was not restored")
    # With no time server in the world lyon has only its own count of the time to go by.
    fleet.guests.end_time_server()
    fleet.guests.link("lyon", "up")
    until(lambda: abs(fleet.off_ns("lyon")) < WRONG_NS_MAX, 90, "lyon was not restored")
    for name, how in (("paris", "chrony"), ("lyon", "counted")):
        words = fleet.guests.ssh(name, "journalctl -u ntplab-clock-restore -o cat --no-pager")
        (told,) = [json.loads(line) for line in words.splitlines() if line.startswith("{")]
        assert (told["how"], told["because"]) == (how, "watchdog")
        assert told["before_ns"] == pytest.approx(-5 * S, abs=WRONG_NS_MAX)
        assert abs(fleet.off_ns(name)) < WRONG_NS_MAX


def test_this_machines_own_clock_was_not_touched(fleet: Fleet) -> None:
    before, after = fleet.before, OwnClock.now()
    assert (after.frequency, after.status) == (before.frequency, before.status)
    # What its own frequency correction (500 ppm at most) may move it, and no step.
    elapsed_ns = after.raw_ns - before.raw_ns
    assert abs(after.apart_ns - before.apart_ns) <= elapsed_ns // 2000 + 1_000_000
