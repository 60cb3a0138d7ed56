"""What Prometheus may know of the stack and only the page can tell: true clocks, seats sold twice.

Six lines of text need no library; the servers' own metrics, of which there are many, come from one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
COUNTERS = {
    "attempts": ("ntplab_attempts_total", "Attempts to book that ended."),
    "receipts": ("ntplab_receipts_total", "Receipts that buyers hold."),
    "failed": ("ntplab_attempts_failed_total", "Attempts that nobody decided."),
    "twice": ("ntplab_double_bookings_total", "Seats that two buyers hold a receipt for."),
}


def exposition(
    figures: Mapping[str, Any], alive: Collection[str], nodes: Collection[str], streams: int
) -> str:
    """`figures` as `ui.model.Model.figures` gives them; counters begin anew with each recording."""
    return "\n".join([*_lines(figures, alive, nodes, streams), ""])


def _lines(
    figures: Mapping[str, Any], alive: Collection[str], nodes: Collection[str], streams: int
) -> Iterator[str]:
    yield from _head("ntplab_clock_divergence_seconds", "gauge", "Wall clock minus lab time.")
    for node, value_ns in figures["divergence_ns"].items():
        if value_ns is not None:
            yield f'ntplab_clock_divergence_seconds{{node="{node}"}} {value_ns / 1e9!r}'
    yield from _head("ntplab_ntp_on", "gauge", "Whether NTP steers the node's clock.")
    for node, state in figures["ntp"].items():
        yield f'ntplab_ntp_on{{node="{node}"}} {int(state == "on")}'
    yield from _head("ntplab_node_up", "gauge", "Whether the node answers the page.")
    for node in nodes:
        yield f'ntplab_node_up{{node="{node}"}} {int(node in alive)}'
    yield from _head("ntplab_streams", "gauge", "Browsers that are shown the page.")
    yield f"ntplab_streams {streams}"
    for key, (name, words) in COUNTERS.items():
        yield from _head(name, "counter", words)
        yield f"{name} {figures[key]}"


def _head(name: str, kind: str, words: str) -> tuple[str, str]:
    return f"# HELP {name} {words}", f"# TYPE {name} {kind}"
