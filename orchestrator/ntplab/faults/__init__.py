"""Bend a running lab: clocks, NTP, nodes. After the driver, before run.py.

Each fault proves itself: it counts once it was read back, and raises `FaultError` when it
cannot be seen. None of it knows about booking.
"""

from .clocks import (
    bend,
    check_dates,
    let_strobe,
    let_temperature,
    let_wander,
    make_steady,
    reset_clocks,
    set_date,
    show_clocks,
)
from .handle import LabHandle
from .ntp import NTP_METHODS, NtpState, ntp_state, switch_ntp
from .strikes import Struck, strike

__all__ = [
    "NTP_METHODS",
    "LabHandle",
    "NtpState",
    "Struck",
    "bend",
    "check_dates",
    "let_strobe",
    "let_temperature",
    "let_wander",
    "make_steady",
    "ntp_state",
    "reset_clocks",
    "set_date",
    "show_clocks",
    "strike",
    "switch_ntp",
]
