"""Switch NTP of a node off and on, in three ways, and see that it is.

- `daemon`: stop and start chronyd, by its supervisor;
- `network`: take the node off the time network, and put it back;
- `sources`: tell chronyd that its sources are offline, or online.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import FaultError, NodeError
from .handle import LabHandle, until

TIME_NETWORK = "time"
SERVICE = "/run/service/chronyd"
SEEN_WITHIN_S = 10.0
"""How long a switch may take until it is seen; chronyd starts in well under a second."""


@dataclass(frozen=True)
class NtpState:
    """What can be seen of a node's NTP from outside its clock."""

    node: str
    daemon_running: bool
    on_time_network: bool
    sources_online: int

    @property
    def on(self) -> bool:
        return self.daemon_running and self.on_time_network and self.sources_online > 0

    def why_off(self) -> str:
        if not self.daemon_running:
            return "chronyd is stopped"
        if not self.on_time_network:
            return "off the time network"
        return "" if self.sources_online else "all sources are offline"


def ntp_state(lab: LabHandle, node: str) -> NtpState:
    """Look at one node, now."""
    running = _daemon_running(lab, node)
    online = _sources_online(lab, node) if running else 0
    return NtpState(node, running, _on_time_network(lab, node), online)


def switch_ntp(lab: LabHandle, node: str, state: str, method: str) -> int:
    """Switch `node`'s NTP to `state` (on or off) by `method`; lab time when it was seen.

    Doing it twice is harmless. Raises `FaultError` when the switch cannot be seen.
    """
    NTP_METHODS[method](lab, node, state == "on")
    return lab.clock.now_ns()


def _switch_daemon(lab: LabHandle, node: str, on: bool) -> None:
    lab.must(node, ["s6-svc", "-u" if on else "-d", SERVICE])
    until(
        lambda: _daemon_running(lab, node) == on and (not on or _chronyd_answers(lab, node)),
        SEEN_WITHIN_S,
        f"{node}: chronyd {'started and answering' if on else 'stopped'}",
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
    if not _daemon_running(lab, node):
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


def _daemon_running(lab: LabHandle, node: str) -> bool:
    # Asked twice over: the supervisor's word, and a living process of that number.
    script = (
        f'test "$(s6-svstat -o up {SERVICE})" = true && kill -0 "$(s6-svstat -o pid {SERVICE})"'
    )
    return lab.exec(node, ["sh", "-c", script]).ok


def _chronyd_answers(lab: LabHandle, node: str) -> bool:
    return lab.exec(node, ["chronyc", "-c", "tracking"]).ok


def _sources_online(lab: LabHandle, node: str) -> int:
    """The first number of `chronyc activity`: sources that are online (chronyc(1))."""
    result = lab.exec(node, ["chronyc", "-c", "activity"])
    return int(result.stdout.split(",")[0]) if result.ok else 0


def _on_time_network(lab: LabHandle, node: str) -> bool:
    container = lab.driver.container(lab.lab, node)
    if container is None:
        raise NodeError(f"{node}: there is no such node in lab {lab.lab}")
    return TIME_NETWORK in container.networks
