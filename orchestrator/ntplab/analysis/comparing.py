"""Two runs, or two sweeps, side by side: what was asked for differently, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from ..errors import EvidenceError, UsageError
from ..evidence import Manifest, RunDirectory
from .results import PhaseResult, Results
from .sweep_results import SweepResults

SCHEMA_VERSION = 1
DERIVED = ("seed", "first_seat", "seats", "description")
"""Keys of phases and loads that follow from others; the scenario's own seed is compared."""

Row = dict[str, Any]


def compare_runs(first: RunDirectory, second: RunDirectory) -> dict[str, Any]:
    """The comparison as a document; docs/reference/cli.md has its shape.

    Raises UsageError for a run beside a sweep, EvidenceError for one that was not judged.
    """
    manifests = first.read_manifest(), second.read_manifest()
    if (manifests[0].sweep is None) != (manifests[1].sweep is None):
        raise UsageError(
            "a run and a sweep cannot be lined up", hint="compare with one point of the sweep: "
            "runs/.../points/0001-1",
        )  # fmt: skip
    results = [_results(run, m) for run, m in zip((first, second), manifests, strict=True)]
    one, other = (dict(_rows(found)) for found in results)
    return {
        "schema": SCHEMA_VERSION,
        "first": _head(results[0]),
        "second": _head(results[1]),
        "scenario": differences(*manifests),
        "rows": [_line_up(one[key], other[key]) for key in one if key in other],
        "only_in_first": [_place(one[key]) for key in one if key not in other],
        "only_in_second": [_place(other[key]) for key in other if key not in one],
    }


def differences(first: Manifest, second: Manifest) -> list[dict[str, Any]]:
    """Where the two plans differ, key by key; None is a key that one does not have."""
    one, other = (dict(_leaves(m.plan or {}, "")) for m in (first, second))
    return [
        {"key": key, "first": one.get(key), "second": other.get(key)}
        for key in sorted(one.keys() | other.keys())
        if one.get(key) != other.get(key)
    ]


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every number and word of a plan; elements of lists by their name, else by position."""
    if isinstance(value, Mapping):
        for key, child in value.items():
            if path and key in DERIVED:
                continue
            yield from _leaves(child, f"{path}.{key}".strip("."))
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        for index, item in enumerate(value):
            name = item.get("name", index) if isinstance(item, dict) else index
            yield from _leaves(item, f"{path}.{name}")
    elif not path.endswith(".name"):
        yield path, value


def _results(run: RunDirectory, manifest: Manifest) -> Results | SweepResults:
    kind = Results if manifest.sweep is None else SweepResults
    if not run.results.exists():
        raise EvidenceError(f"{run.path}: not judged yet", hint=f"./ntplab analyze {run.path}")
    try:
        return kind.model_validate_json(run.results.read_bytes())
    except ValueError as error:
        raise EvidenceError(
            f"{run.results}: damaged", hint=f"./ntplab analyze {run.path}"
        ) from error


def _head(results: Results | SweepResults) -> dict[str, Any]:
    return {
        "run": results.run,
        "scenario": results.scenario,
        "seed": results.seed,
        "verdict": results.verdict,
    }


def _rows(results: Results | SweepResults) -> Iterator[tuple[str, Row]]:
    """Every measured phase, by where it stands: the point's settings, the phase's name."""
    if isinstance(results, Results):
        for phase in results.phases:
            yield phase.name, {"set": {}, "phase": phase.name, **_figures(phase)}
        return
    for point in results.points:
        for phase in point.phases:
            key = json.dumps([point.set, phase.name], sort_keys=True)
            yield key, {"set": point.set, "phase": phase.name, **_figures(phase)}


def _figures(phase: PhaseResult) -> Row:
    bookings = phase.bookings
    return {
        "opportunities": bookings.opportunities,
        "double_bookings": bookings.double_bookings,
        "rate": bookings.rate if bookings.rate_trials else None,
        "ci95": list(bookings.ci95),
        "availability": bookings.availability,
        "latency_p95_ms": bookings.latency_ms.p95,
        "apart_ns": phase.divergence.pairwise_max_ns,
        "seconds_to_1ms": phase.sync.seconds_to_1ms,
    }


def _place(row: Row) -> Row:
    return {"set": row["set"], "phase": row["phase"]}


def _line_up(one: Row, other: Row) -> Row:
    """Both rows' figures, and whether chance may account for the difference of the rates."""
    figures = {key: [one[key], other[key]] for key in one if key not in ("set", "phase")}
    (low, high), (other_low, other_high) = one["ci95"], other["ci95"]
    measured = one["rate"] is not None and other["rate"] is not None
    apart = measured and (high < other_low or other_high < low)
    return {**_place(one), "figures": figures, "rates_differ": apart if measured else None}
