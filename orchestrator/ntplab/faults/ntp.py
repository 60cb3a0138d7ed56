"""Switch NTP of a node off and on, in three ways, and see that it is.

- `daemon`: stop and start the NTP daemon, by its supervisor;
- `network`: take the node off the time network, and put it back;
- `sources`: tell chronyd that its sources are offline, or online; no other daemon can be told.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..daemons import CHRONY, NTPSEC, OPENNTPD, Daemon, daemon_in
from ..driver.base import ContainerInfo
from ..errors import FaultError, NodeError
from .handle import LabHandle, until

TIME_NETWORK = "time"
SERVICES = "/run/service"
SEEN_WITHIN_S = 10.0
"""How long a switch may take until it is seen; the daemons start in well under a second."""


@dataclass(frozen=True)
class NtpState:
    """What can be seen of a node's NTP from outside its clock."""

    node: str
    daemon_running: bool
    on_time_network: bool
    sources_online: int | None
    """None: a daemon whose sources are always online"""
    daemon: str = CHRONY.name
    program: str = CHRONY.program

    @property
    def on(self) -> bool:
        return self.daemon_running and self.on_time_network and self.sources_online != 0

    def why_off(self) -> str:
        if not self.daemon_running:
            return f"{self.program} is stopped"
        if not self.on_time_network:
            return "off the time network"
        return "all sources are offline" if self.sources_online == 0 else ""


def ntp_state(lab: LabHandle, node: str) -> NtpState:
    """Look at one node, now."""
    daemon = daemon_of(lab, node)
    running = daemon_running(lab, node, daemon)
    online: int | None = None
    if daemon.switches_sources:
        online = _sources_online(lab, node) if running else 0
    on_network = _on_time_network(lab, node)
    return NtpState(node, running, on_network, online, daemon.name, daemon.program)


def daemon_of(lab: LabHandle, node: str) -> Daemon:
    """Which NTP daemon a node has. Raises `NodeError` when there is no such node."""
    return daemon_in(_container(lab, node).image)


def switch_ntp(lab: LabHandle, node: str, state: str, method: str) -> int:
    """Switch `node`'s NTP to `state` (on or off) by `method`; lab time when it was seen.

    Doing it twice is harmless. Raises `FaultError` when the switch cannot be seen.
    """
    NTP_METHODS[method](lab, node, state == "on")
    return lab.clock.now_ns()


def _switch_daemon(lab: LabHandle, node: str, on: bool) -> None:
    daemon = daemon_of(lab, node)
    order = ["-wu", "-u"] if on else ["-wD", "-d"]
    words = lab.must(node, ["sh", "-c", ORDER, "sh", *order, service_path(daemon)])
    seen = (words.strip() == "running") == on
    until(
        lambda: (
            (seen or daemon_running(lab, node, daemon) == on)
            and (not on or _answers(lab, node, daemon))
        ),
        SEEN_WITHIN_S,
        f"{node}: {daemon.program} {'started and answering' if on else 'stopped'}",
    )


def _switch_network(lab: LabHandle, node: str, on: bool) -> None:
    if on == _on_time_network(lab, node):
        return
    change = lab.driver.connect if on else lab.driver.disconnect
    change(lab.lab, TIME_NETWORK, node)
    until(
        lambda: _on_time_network(lab, node) == on,
        SEEN_WITHIN_S,
        f"{node}: {'on' if on else 'off'} the time network",
    )


def _switch_sources(lab: LabHandle, node: str, on: bool) -> None:
    daemon = daemon_of(lab, node)
    if not daemon.switches_sources:
        raise FaultError(
            f"{node}: {daemon.program} cannot be told that its sources are "
            f"{'online' if on else 'offline'}",
            hint="only chronyd can; use --method daemon or network",
        )
    if not daemon_running(lab, node, daemon):
        raise FaultError(
            f"{node}: chronyd is not running, its sources cannot be switched",
            hint="start it with `./ntplab ntp on --method daemon`",
        )
    lab.must(node, ["chronyc", "online" if on else "offline"])
    until(
        lambda: (_sources_online(lab, node) > 0) == on,
        SEEN_WITHIN_S,
        f"{node}: sources {'online' if on else 'offline'}",
    )


NTP_METHODS: dict[str, Callable[[LabHandle, str, bool], None]] = {
    "daemon": _switch_daemon,
    "network": _switch_network,
    "sources": _switch_sources,
}


RUNNING = 'test "$(s6-svstat -o up "$1")" = true && kill -0 "$(s6-svstat -o pid "$1")"'
ORDER = f"""s6-svc "$1" -T 2000 "$2" "$3"
code=$?
test $code -eq 0 || test $code -eq 99 || exit $code # 99: not within that time
shift 2
if {RUNNING}; then echo running; else echo stopped; fi"""
"""Order and look in one command: starting one in a container costs more than what either does."""


def daemon_running(lab: LabHandle, node: str, daemon: Daemon) -> bool:
    """Asked twice over: the supervisor's word, and a living process of that number."""
    return lab.exec(node, ["sh", "-c", RUNNING, "sh", service_path(daemon)]).ok


_QUESTIONS = {
    CHRONY.name: ["chronyc", "-c", "tracking"],
    NTPSEC.name: ["ntpq", "-4", "-c", "rv 0 version", "127.0.0.1"],
    OPENNTPD.name: ["ntpctl", "-s", "status"],
}


def _answers(lab: LabHandle, node: str, daemon: Daemon) -> bool:
    """Whether it answers its own control program, where it has one."""
    question = _QUESTIONS.get(daemon.name)
    return question is None or lab.exec(node, question).ok


def service_path(daemon: Daemon) -> str:
    """Where the daemon's supervised service lies in a container."""
    return f"{SERVICES}/{daemon.service}"


def _sources_online(lab: LabHandle, node: str) -> int:
    """The first number of `chronyc activity`: sources that are online (chronyc(1))."""
    result = lab.exec(node, ["chronyc", "-c", "activity"])
    return int(result.stdout.split(",")[0]) if result.ok else 0


def _on_time_network(lab: LabHandle, node: str) -> bool:
    return TIME_NETWORK in _container(lab, node).networks


def _container(lab: LabHandle, node: str) -> ContainerInfo:
    container = lab.driver.container(lab.lab, node)
    if container is None:
        raise NodeError(f"{node}: there is no such node in lab {lab.lab}")
    return container
