"""What sets one NTP daemon apart from another: its image, its service, its files, what it tells.

Beside `plan`; imports nothing. Everything that has to treat daemons differently looks here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Daemon:
    """One NTP daemon of Debian, unmodified. `name` is what a scenario calls it."""

    name: str
    program: str
    """what messages call it"""
    package: str
    image: str
    """of a booking server that it steers, without prefix; Debian allows one daemon a machine"""
    service: str
    """its name for the supervisor"""
    files: tuple[tuple[str, str], ...]
    """(template, path in the container) of each file it reads"""
    logs: str | None
    """folder of log files; what it says on stderr is in the container's log anyway"""
    tells_belief: bool
    """whether it can be asked over the network what it believes"""
    tells_bound: bool
    """whether it also tells how far off it may be at most"""
    switches_sources: bool
    """whether it can be told that its sources are offline"""
    user: str
    """what its processes see themselves as: `root` or `user`, see images/base/enter"""


CHRONY = Daemon(
    "chrony",
    program="chronyd",
    package="chrony",
    image="booking",
    service="chronyd",
    files=(("chrony.conf.j2", "/etc/chrony/chrony.conf"),),
    logs="/var/log/chrony",
    tells_belief=True,
    tells_bound=True,
    switches_sources=True,
    user="root",
)
NTPSEC = Daemon(
    "ntpsec",
    program="ntpd",
    package="ntpsec",
    image="ntpsec",
    service="ntpd",
    files=(("ntpsec.conf.j2", "/etc/ntpsec/ntp.conf"),),
    logs="/var/log/ntpsec",
    tells_belief=True,
    tells_bound=True,
    switches_sources=False,
    user="root",
)
OPENNTPD = Daemon(
    "openntpd",
    program="openntpd",
    package="openntpd",
    image="openntpd",
    service="openntpd",
    files=(
        ("openntpd.conf.j2", "/etc/openntpd/ntpd.conf"),
        ("openntpd.options.j2", "/etc/openntpd/options"),
    ),
    logs=None,
    tells_belief=True,
    tells_bound=False,
    switches_sources=False,
    user="root",
)
TIMESYNCD = Daemon(
    "timesyncd",
    program="systemd-timesyncd",
    package="systemd-timesyncd",
    image="timesyncd",
    service="timesyncd",
    files=(("timesyncd.conf.j2", "/etc/systemd/timesyncd.conf"),),
    logs=None,
    tells_belief=False,
    tells_bound=False,
    switches_sources=False,
    # As root it would drop to a user of its own, which needs a second user id.
    user="user",
)

DAEMONS = {daemon.name: daemon for daemon in (CHRONY, NTPSEC, OPENNTPD, TIMESYNCD)}
_BY_IMAGE = {daemon.image: daemon for daemon in DAEMONS.values()}

OPTIONAL_IMAGES = tuple(d.image for d in DAEMONS.values() if d is not CHRONY)
"""built only for scenarios that name their daemon"""


def daemon_in(image: str) -> Daemon:
    """The daemon of a node made from `image` (`ntplab/openntpd`): chrony unless it says other."""
    return _BY_IMAGE.get(image.rpartition("/")[2], CHRONY)
