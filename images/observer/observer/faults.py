"""Bends the oscillator of one clock, and reads back what it does now. Used by `cli`.

NTP daemons cannot see any of it, except as time that goes wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import asdict
from typing import Any

from .config import Config, NodeConfig
from .pages import ClockPage, raw_ns

Fault = Callable[[ClockPage, int], int]
"""Bends a page, given the anchor of lab time; the raw instant it took effect at."""

ATTEMPTS = 100
"""To set a clock between two changes by its own daemon, which come a few times a second."""


def set_offset(offset_ns: int) -> Fault:
    """The clock shows lab time plus `offset_ns`."""
    return lambda page, anchor_ns: _at_one_instant(page.set_wall, anchor_ns + offset_ns)


def step(by_ns: int) -> Fault:
    """The clock jumps by `by_ns`."""
    return lambda page, _: page.step(by_ns)


def drift(ppm: float) -> Fault:
    """The oscillator runs `ppm` fast from now on (slow if negative)."""
    return lambda page, _: page.set_drift(ppm)


def freeze(frozen: bool) -> Fault:
    """The clock stands still, or goes on from where it stood."""
    return lambda page, _: page.freeze(frozen)


def reset() -> Fault:
    """The clock shows lab time on a perfect oscillator, and no daemon's correction is left."""
    return lambda page, anchor_ns: _at_one_instant(page.reset, anchor_ns)


def place(offset_ns: int, ppm: float) -> Fault:
    """A clock as new, then `offset_ns` off and `ppm` fast."""

    def fault(page: ClockPage, anchor_ns: int) -> int:
        reset()(page, anchor_ns)
        page.set_drift(ppm)
        return set_offset(offset_ns)(page, anchor_ns)

    return fault


def apply_each(wanted: Mapping[NodeConfig, Fault], anchor_ns: int) -> int:
    """As `apply`, with a fault of its own for every clock."""
    with ExitStack() as stack:
        pages = {node: stack.enter_context(ClockPage(node.page, writable=True)) for node in wanted}
        return max(fault(pages[node], anchor_ns) for node, fault in wanted.items()) + anchor_ns


def apply(fault: Fault, nodes: tuple[NodeConfig, ...], anchor_ns: int) -> int:
    """Bend these clocks; lab time when the last of them was bent. Raises `PageError`."""
    with ExitStack() as stack:
        # All are opened before one is bent: a page that is missing leaves the others alone.
        pages = [stack.enter_context(ClockPage(node.page, writable=True)) for node in nodes]
        return max(fault(page, anchor_ns) for page in pages) + anchor_ns


def show(nodes: tuple[NodeConfig, ...], anchor_ns: int) -> Mapping[str, Any]:
    """These clocks at one instant, read from their pages. Raises `PageError`.

    `divergence_ns` by node, and under `nodes` all that is known of each.
    """
    with ExitStack() as stack:
        pages = {
            node.name: stack.enter_context(ClockPage(node.page, writable=False)) for node in nodes
        }
        raw = raw_ns()
        found = {name: page.status(raw) for name, page in pages.items()}
    lab_ns = raw + anchor_ns
    divergence_ns = {name: status.wall_ns - lab_ns for name, status in found.items()}
    return {
        "raw_ns": raw,
        "read_lab_ns": lab_ns,
        "divergence_ns": divergence_ns,
        "nodes": {
            name: {"divergence_ns": divergence_ns[name], **asdict(status)}
            for name, status in found.items()
        },
    }


def create_missing(config: Config, anchor_ns: int) -> list[str]:
    """Make the pages that are not there yet, with the clocks as they begin; their nodes' names.

    A page that exists is kept: its clock goes on while the observer is away.
    """
    created = []
    for node in config.nodes:
        if not node.page.exists():
            _create(node, anchor_ns)
            created.append(node.name)
    return created


def _create(node: NodeConfig, anchor_ns: int) -> None:
    # Renamed when complete: nobody ever sees a page whose drift is still to come.
    unfinished = node.page.with_name(f"{node.page.name}.new")
    raw = raw_ns()
    ClockPage.create(unfinished, raw, raw + anchor_ns + node.offset_ns)
    with ClockPage(unfinished, writable=True) as page:
        page.set_drift(node.drift_ppm)
    unfinished.replace(node.page)


def _at_one_instant(change: Callable[[int, int], int], lead_ns: int) -> int:
    """Have `change(raw, raw + lead_ns)` take effect at that very `raw`.

    It takes effect later when the clock was changed since `raw` was read, by its daemon;
    then what it set is behind by as much, and is set again.
    """
    for _ in range(ATTEMPTS):
        raw = raw_ns()
        since = change(raw, raw + lead_ns)
        if since == raw:
            break
    return since
