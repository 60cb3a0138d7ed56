"""Docker Engine: there, running and ours to use; or else installed, started, or explained.

First step of every verb that needs a lab. What it does to the machine it says beforehand.
"""

from __future__ import annotations

import getpass
import os
import shlex
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ..errors import EngineDenied, EngineError
from .host import Host, Say, install

LOG = Path("/var/log/ntplab-dockerd.log")
ANSWERS_WITHIN_S = 60.0
_POLL_S = 0.2

# Set for the process that was started again inside the group: once is enough.
REGROUPED = "NTPLAB_REGROUPED"

# What a machine that was switched off can leave behind: (pid file, the program it names).
_PID_FILES = (
    (Path("/var/run/docker.pid"), "dockerd"),
    (Path("/var/run/docker/containerd/containerd.pid"), "containerd"),
)

Probe = Callable[[], EngineError | None]
"""None when the engine answers, else why not."""


def ensure_engine(say: Say, probe: Probe, host: Host | None = None) -> None:
    """Return once the engine answers. Raises `EngineError` with a hint.

    May replace this process by itself, inside the group `docker`.
    """
    host = host or Host()
    trouble = probe()
    if trouble is not None and (address := os.environ.get("DOCKER_HOST")):
        raise EngineError(
            f"Docker Engine at {address} does not answer",
            hint="start it there, or unset DOCKER_HOST to use this machine's",
        ) from trouble
    if trouble is not None and not isinstance(trouble, EngineDenied):
        _install(host, say)
        if probe() is not None:  # installing may have started it
            _start(host, say)
        trouble = _wait(probe)
    if isinstance(trouble, EngineDenied):
        _enter_group(host, say, trouble)
    if trouble is not None:
        raise trouble


def _install(host: Host, say: Say) -> None:
    if host.which("dockerd") is None:
        install(host, ["docker.io", "iptables"], "Docker Engine is missing", say)
        ensure_command(host, say)
    elif host.which("iptables") is None:
        install(host, ["iptables"], "iptables, which Docker Engine needs, is missing", say)


def ensure_command(host: Host, say: Say) -> None:
    """`docker`, which Debian has in a package of its own since 13."""
    if host.which("docker") is None:
        install(host, ["docker-cli"], "the command docker is missing", say)


def _start(host: Host, say: Say) -> None:
    by_manager = _service_command(host)
    command = by_manager or ["dockerd"]
    if not host.may_become_root():
        raise EngineError(
            "Docker Engine is not running, and ntplab may not start it",
            hint=f"sudo {shlex.join(command)}",
        )
    say(f"starting Docker Engine: {shlex.join(command)}")
    if by_manager is None:
        _drop_stale_pid_files(host, say)
        host.spawn_as_root(command, LOG)
    elif not (done := host.run_as_root(by_manager)).ok:
        raise EngineError(
            "Docker Engine could not be started",
            hint=f"sudo {shlex.join(by_manager)}",
            log_tail=done.tail,
        )


def _service_command(host: Host) -> list[str] | None:
    """How this machine's service manager starts the engine; None where there is no manager."""
    if host.exists(Path("/run/systemd/system")):
        return ["systemctl", "start", "docker"]
    if host.exists(Path("/run/openrc")):
        return ["rc-service", "docker", "start"]
    if host.read(Path("/proc/1/comm")).strip() == "init" and host.exists(
        Path("/etc/init.d/docker")
    ):
        return ["service", "docker", "start"]
    return None


def _drop_stale_pid_files(host: Host, say: Say) -> None:
    """A pid file left from before a reboot keeps the daemon from starting, if the number has
    been given to some other process since."""
    for path, program in _PID_FILES:
        pid = host.read(path).strip()
        if pid and host.read(Path(f"/proc/{pid}/comm")).strip() != program:
            say(f"removing {path}: process {pid} is no {program}")
            host.run_as_root(["rm", "-f", str(path)])


def _wait(probe: Probe) -> EngineError | None:
    """None once it answers; why not, when it is denied or the time is up."""
    deadline = time.monotonic() + ANSWERS_WITHIN_S
    while (trouble := probe()) is not None and not isinstance(trouble, EngineDenied):
        if time.monotonic() > deadline:
            return EngineError(
                f"Docker Engine was started and did not answer within {ANSWERS_WITHIN_S:.0f} s",
                hint=f"its log: {LOG}, or `journalctl -u docker`",
                log_tail=Host().read(LOG).splitlines()[-15:],
            )
        time.sleep(_POLL_S)
    return trouble


def _enter_group(host: Host, say: Say, trouble: EngineDenied) -> None:
    """Start this very command again inside the group that may use the engine.

    A login session keeps the groups it began with, so joining the group is not enough.
    """
    if os.environ.get(REGROUPED) or host.which("sg") is None:
        raise trouble
    user = getpass.getuser()
    if user not in host.group_members("docker"):
        if not host.may_become_root():
            raise trouble
        say(f"adding {user} to the group docker: usermod -aG docker {user}")
        if not host.run_as_root(["usermod", "-aG", "docker", user]).ok:
            raise trouble
    say("going on inside the group docker")
    command = shlex.join([sys.executable, *sys.orig_argv[1:]])
    host.replace_by(["sg", "docker", "-c", command], {**os.environ, REGROUPED: "1"})
