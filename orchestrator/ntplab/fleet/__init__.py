"""Hosts of one's own, with real clocks that go wrong: the same phases, loads and verdicts.

inventory.py   whom Ansible's inventory names: addresses, who allows its clock to be changed
sntp.py        one NTP query, on lab time
hosttimes.py   from a host's own CLOCK_MONOTONIC_RAW to lab time, with what is not known of it
watch.py       probes every clock while a run lasts
playbooks.py   playbooks/vps/*.yml do all that is done to a host
load.py        the buyers, as a process of this machine
request.py     what to run, and what of a plan no fleet can do
phases.py      one phase
running.py     the story of a run: read this first
"""

from .inventory import Fleet, Host, read_inventory
from .request import FleetRequest, unfit
from .running import run_fleet
from .sntp import NoAnswer, query

__all__ = [
    "Fleet",
    "FleetRequest",
    "Host",
    "NoAnswer",
    "query",
    "read_inventory",
    "run_fleet",
    "unfit",
]
