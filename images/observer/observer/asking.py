"""Which NTP daemon is asked in which way. Used by `service` and `cli`."""

from __future__ import annotations

from collections.abc import Mapping

from . import belief, mode6, ntpctl
from .belief import Ask

ASK: Mapping[str, Ask] = {"chrony": belief.ask, "ntpsec": mode6.ask, "openntpd": ntpctl.ask}
"""by the daemon's name in a scenario; systemd-timesyncd tells nobody what it believes"""
