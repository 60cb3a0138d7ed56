"""What was around the claims of a phase: the measured world, and the clock errors asked for.

`World` is what explanations and predictions are made from, `Injected` what opportunities are
counted by.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ..evidence import Event, Manifest
from .clocks import Clocks
from .explain import Injected, World
from .phases import PhaseSpan

CLOCK_FAULTS = ("date", "offset", "step", "clock")
"""Kinds of fault.in_force that leave a clock where it says; `clock` is a phase's setting."""


def world_of(
    manifest: Manifest, clocks: Clocks, holders: frozenset[str], records_whole: bool
) -> World:
    """The evidence around the claims of one phase."""
    params = {k: v for k, v in manifest.policy_params.items() if isinstance(v, int)}
    return World(
        clocks,
        holders,
        manifest.clock_error_ns,
        records_whole,
        params,
        _monotonic_ns(manifest),
        lab_errors_ns={} if manifest.truth == "clock-page" else manifest.lab_errors_ns,
    )


def _monotonic_ns(manifest: Manifest) -> dict[str, int]:
    """Each server's CLOCK_MONOTONIC_RAW minus lab time."""
    return {
        node.name: node.uptime_s * 1_000_000_000 * node.time_namespace - manifest.anchor_ns
        for node in manifest.nodes
        if node.kind == "server"
    }


def injected_of(
    manifest: Manifest, span: PhaseSpan, events: Sequence[Event], lag_ns: int
) -> Injected:
    """The clock errors that the scenario and the faults seen in force inject in this phase."""
    parameters = manifest.policy_params
    return Injected(
        skews=manifest.skews,
        start_ns=span.start_ns or 0,
        struck=_struck(events),
        stability_ns=int(parameters.get("stability_ns") or parameters.get("lag_ns") or 0),
        monotonic_ns=_monotonic_ns(manifest),
        ttl_ns=int(parameters.get("ttl_ns") or 0),
        lag_ns=lag_ns,
    )


def _struck(events: Sequence[Event]) -> dict[str, list[tuple[int, int | None]]]:
    """Where faults put the clocks, until a phase sets them anew (None), by server."""
    struck: dict[str, list[tuple[int, int | None]]] = defaultdict(list)
    for event in events:
        kind = event.fields.get("kind")
        if event.name == "fault.in_force" and event.node and kind in CLOCK_FAULTS:
            left_ns = None if kind == "clock" else event.fields.get("divergence_ns")
            struck[event.node].append((event.lab_ns, left_ns))
    return struck
