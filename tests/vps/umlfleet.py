"""Hosts with real kernels and real clocks of their own: User Mode Linux guests in a network of
their own, which nothing outside can reach, with a time server (`chronyd -x`) beside them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from conftest import REPO

HERE = Path(__file__).parent / "uml"
XSTATE = REPO / "tests" / "support" / "uml_xstate.c"
GATEWAY = "10.77.0.1"
BOOT_WITHIN_S = 90
BOOTS = 3
"""Once in a hundred boots User Mode Linux gives up before it has begun."""
CLONE_NEWNET = 0x4000_0000


def image() -> Path:
    """The guests' file system, made once for each recipe (see uml/build)."""
    recipe = b"".join(path.read_bytes() for path in (*sorted(HERE.iterdir()), XSTATE))
    folder = REPO / ".cache" / "vps" / f"uml-{hashlib.sha256(recipe).hexdigest()[:12]}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run([HERE / "build", folder], check=True)
        (folder / "done").touch()
    return folder


class Guests:
    """`names` as guests 10.77.0.11, .12, ...; made by `guests`."""

    def __init__(self, folder: Path, image: Path, names: tuple[str, ...]) -> None:
        self.folder, self.image, self.names = folder, image, names
        self.namespace = f"ntplab-{os.getpid()}"
        self.addresses = {name: f"10.77.0.{11 + n}" for n, name in enumerate(names)}
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._inside = ["ip", "netns", "exec", self.namespace]

    def run(self, *argv: str | Path, within_s: float = 120) -> subprocess.CompletedProcess[str]:
        """A command of this machine, in the guests' network."""
        return subprocess.run(
            [*self._inside, *argv], capture_output=True, text=True, timeout=within_s, check=False
        )

    def start(self, *argv: str | Path, log: Path, **variables: str) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            return subprocess.Popen(
                [*self._inside, "env", *(f"{k}={v}" for k, v in variables.items()), *argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def ssh(self, name: str, command: str) -> str:
        """What a command on a guest prints; it must succeed."""
        done = self._ssh(name, command)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def _ssh(self, name: str, command: str) -> subprocess.CompletedProcess[str]:
        options = ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
                   "ConnectTimeout=3", "BatchMode=yes")  # fmt: skip
        return self.run(
            "ssh", *(f"-o{option}" for option in options), "-i", self.image / "key",
            f"root@{self.addresses[name]}", command, within_s=60,
        )  # fmt: skip

    def link(self, name: str, state: str) -> None:
        """Cut a guest off, or connect it again: `down` or `up`.

        At the bridge: User Mode Linux gives its own end up for good when it cannot write to it.
        """
        tap = f"tap{self.names.index(name)}"
        bridge = ["master", "br0"] if state == "up" else ["nomaster"]
        subprocess.run(["ip", "-n", self.namespace, "link", "set", tap, *bridge], check=True)

    @contextmanager
    def network(self) -> Iterator[None]:
        """Sockets that this thread makes meanwhile are in the guests' network."""
        libc = ctypes.CDLL(None, use_errno=True)
        own = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        theirs = os.open(f"/run/netns/{self.namespace}", os.O_RDONLY)
        try:
            assert libc.setns(theirs, CLONE_NEWNET) == 0
            yield
        finally:
            assert libc.setns(own, CLONE_NEWNET) == 0
            os.close(own)
            os.close(theirs)

    def up(self, at_the_end: ExitStack) -> None:
        """Network, time server, guests."""
        subprocess.run(["ip", "netns", "add", self.namespace], check=True)
        at_the_end.callback(subprocess.run, ["ip", "netns", "del", self.namespace], check=True)
        lines = ["link set lo up", "link add br0 type bridge", f"addr add {GATEWAY}/24 dev br0",
                 "link set br0 up"]  # fmt: skip
        for number in range(len(self.names)):
            lines += [f"tuntap add tap{number} mode tap", f"link set tap{number} master br0",
                      f"link set tap{number} up"]  # fmt: skip
        for line in lines:
            subprocess.run(["ip", "-n", self.namespace, *line.split()], check=True)
        self._time_server(at_the_end)
        for name in self.names:
            self._boot(name, at_the_end)
        for name in self.names:
            self._wait(name, at_the_end)

    def _time_server(self, at_the_end: ExitStack) -> None:
        """A chronyd that sets no clock (-x); out of the guests' own Debian."""
        root = self.image / "root"
        lines = ("local stratum 8", "allow", "cmdport 0", "pidfile /run/reference.pid",
                 f"bindaddress {GATEWAY}")  # fmt: skip
        (root / "etc" / "reference.conf").write_text("\n".join(lines) + "\n")
        argv = ("chroot", root, "/usr/sbin/chronyd", "-x", "-d", "-u", "root")
        log = self.folder / "reference.log"
        self._reference = self.start(*argv, "-f", "/etc/reference.conf", log=log)
        at_the_end.callback(self.end_time_server)

    def end_time_server(self) -> None:
        """Nobody tells the time any more."""
        _end(self._reference)

    def _boot(self, name: str, at_the_end: ExitStack) -> None:
        number = self.names.index(name)
        state = self.folder / name
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir()
        process = self.start(
            "linux.uml", "mem=256M", f"ubd0={state / 'cow'},{self.image / 'base.ext4'}",
            "root=/dev/ubda", "rw", "con=null", "con0=fd:0,fd:1", f"uml_dir={state}", "umid=guest",
            f"vec0:transport=tap,ifname=tap{number},depth=128,gro=1",
            f"guest={self.addresses[name]}/24", f"name={name}",
            log=self.folder / f"{name}.log",
            LD_PRELOAD=str(self.image / "xstate.so"), TMPDIR="/dev/shm",
        )  # fmt: skip
        self._running[name] = process
        at_the_end.callback(_end, process)

    def _wait(self, name: str, at_the_end: ExitStack) -> None:
        boots, deadline = 1, time.monotonic() + BOOT_WITHIN_S
        while self._ssh(name, "systemctl is-system-running --wait").returncode > 1:
            if self._running[name].poll() is not None and boots < BOOTS:
                boots += 1
                self._boot(name, at_the_end)
            if time.monotonic() > deadline:
                tail = (self.folder / f"{name}.log").read_text(errors="replace")[-3000:]
                pytest.fail(f"{name} does not come up:\n{tail}")
            time.sleep(0.2)


def _end(process: subprocess.Popen[bytes]) -> None:
    """It and all it started; it has a session of its own."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@contextmanager
def guests(*names: str) -> Iterator[Guests]:
    """Guests that are up; everything is gone afterwards."""
    with ExitStack() as at_the_end:
        folder = at_the_end.enter_context(tempfile.TemporaryDirectory(prefix="ntplab-uml-"))
        found = Guests(Path(folder), image(), names)
        found.up(at_the_end)
        yield found
