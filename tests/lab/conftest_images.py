"""Machines for the tests of the images: containers started straight through the Docker SDK.

No part of the orchestrator stands between a test and an image here.
"""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import docker
import docker.errors
import pytest

COMPOSE = Path(__file__).resolve().parents[2] / "compose"
ENTER = "/usr/lib/ntplab/enter"
UID = 1000

# Runs in a container without a virtual clock; argv: what to do, then integers.
PAGE_TOOL = """
import ctypes, sys
lib = ctypes.CDLL("/usr/lib/ntplab/libvclockmodel.so", use_errno=True)
i64, path = ctypes.c_int64, b"/clock/page"
lib.vclock_page_open.restype = ctypes.c_void_p
lib.vclock_read.restype = i64
verb, *numbers = sys.argv[1:]
values = [i64(int(n)) for n in numbers]
if verb == "create":
    status = lib.vclock_page_create(path, *values)
else:
    page = ctypes.c_void_p(lib.vclock_page_open(path, 1 if verb == "drift" else 0))
    if not page:
        sys.exit("cannot open the page: errno %d" % ctypes.get_errno())
    if verb == "read":
        print(lib.vclock_read(page, *values))
        status = 0
    else:
        lib.vclock_set_oscillator.restype = i64
        status = lib.vclock_set_oscillator(page, i64(-1), *values)
sys.exit(0 if status >= 0 else "%s: errno %d" % (verb, -status))
"""

T = TypeVar("T")


def host_raw_ns() -> int:
    """The time base of every clock page."""
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC_RAW)


def wait_until(what: str, attempt: Callable[[], T | None], timeout_s: float = 60) -> T:
    """The first result of `attempt` that is not None or False; fails the test at the deadline."""
    deadline = time.monotonic() + timeout_s
    while not (result := attempt()):
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout_s} s: {what}")
        time.sleep(0.1)
    return result


class Machine:
    """One started container."""

    def __init__(self, container: Any) -> None:
        self.container = container

    @property
    def docker_name(self) -> str:
        return str(self.container.name)

    def run(self, *argv: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Exit code and output (both streams) of a plain `docker exec`."""
        code, output = self.container.exec_run(list(argv), environment=dict(env or {}))
        return code, output.decode()

    def ok(self, *argv: str) -> str:
        code, output = self.run(*argv)
        assert code == 0, f"{argv}: exit {code}: {output}"
        return output.strip()

    def inside(self, *argv: str) -> str:
        """Output of a command that runs as part of the machine; it must succeed."""
        return self.ok(ENTER, *argv)

    def logs(self) -> str:
        return str(self.container.logs().decode())

    def service(self, name: str) -> str:
        """`up PID` or `down`."""
        up, pid = self.ok("s6-svstat", "-o", "up,pid", f"/run/service/{name}").split()
        return f"up {pid}" if up == "true" else "down"


class Clock:
    """A clock page in a volume, kept alive (a tmpfs) and accessible by a container of its own."""

    def __init__(self, volume: str, keeper: Machine) -> None:
        self.volume = volume
        self._keeper = keeper

    def create(self, raw_ns: int, wall_ns: int) -> None:
        self._tool("create", raw_ns, wall_ns)

    def set_drift(self, ppm: int) -> None:
        self._tool("drift", ppm << 16)

    def wall_ns(self, raw_ns: int) -> int:
        return int(self._tool("read", raw_ns))

    def _tool(self, verb: str, *values: int) -> str:
        return self._keeper.ok("python3", "-c", PAGE_TOOL, verb, *map(str, values))


class Bench:
    """Makes machines, clocks and networks; removes all of them at the end."""

    def __init__(self) -> None:
        self.client = docker.from_env()
        self.lab = f"images-{os.getpid()}-{time.monotonic_ns() % 10**6}"
        self.seccomp = json.dumps(json.loads((COMPOSE / "seccomp.json").read_text()))

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *_: object) -> None:
        for container in self.client.containers.list(all=True, filters=self._mine()):
            container.remove(force=True)
        for network in self.client.networks.list(filters=self._mine()):
            network.remove()
        for volume in self.client.volumes.list(filters=self._mine()):
            volume.remove()
        self.client.close()

    def network(self) -> str:
        name = f"ntplab-{self.lab}-time"
        self.client.networks.create(name, internal=True, labels={"ntplab.lab": self.lab})
        return name

    def clock(self, node: str) -> Clock:
        volume = f"ntplab-{self.lab}-clock-{node}"
        options = {
            "type": "tmpfs",
            "device": "tmpfs",
            "o": f"size=64k,uid={UID},gid={UID},mode=0755",
        }
        self.client.volumes.create(
            volume, driver="local", driver_opts=options, labels={"ntplab.lab": self.lab}
        )
        keeper = self.machine(
            "base",
            f"keeper-{node}",
            entrypoint=["/usr/bin/tini", "--", "sleep", "infinity"],
            volumes={volume: {"bind": "/clock", "mode": "rw"}},
            env={},
        )
        return Clock(volume, keeper)

    def machine(
        self,
        image: str,
        node: str,
        *,
        clock: Clock | None = None,
        env: Mapping[str, str] | None = None,
        files: Mapping[str, str] | None = None,
        seccomp: str | None = None,
        **options: Any,
    ) -> Machine:
        """A started container of ntplab/`image`, confined as a lab confines its nodes."""
        if clock:
            options["volumes"] = {clock.volume: {"bind": "/clock", "mode": "rw"}}
            env = {"VCLOCK_PAGE": "/clock/page", **(env or {})}
        options.setdefault("network_mode", None if "network" in options else "none")
        container = self.client.containers.create(
            f"ntplab/{image}",
            name=f"ntplab-{self.lab}-{node}",
            environment={"NTPLAB_NODE": node, **(env or {})},
            labels={"ntplab.lab": self.lab},
            cap_drop=["ALL"],
            security_opt=["no-new-privileges", f"seccomp={seccomp or self.seccomp}"],
            **options,
        )
        if files:
            container.put_archive("/", _archive(files))
        container.start()
        return Machine(container)

    def _mine(self) -> dict[str, str | list[str] | bool]:
        return {"label": f"ntplab.lab={self.lab}"}


def _archive(files: Mapping[str, str]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, text in files.items():
            entry = tarfile.TarInfo(path.lstrip("/"))
            entry.size = len(text.encode())
            entry.mode = 0o400 if "/secrets/" in path else 0o644
            entry.uid = entry.gid = UID
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()
