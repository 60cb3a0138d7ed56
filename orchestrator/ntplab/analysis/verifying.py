"""Checking a run that somebody else made: are the files as they were, are the figures right?"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ..errors import EvidenceError
from ..evidence import RunDirectory, check_checksums, damage, read_journal
from .judging import judge
from .sweep import judge_sweep

DIFFERENCES_MAX = 20


def verify(run_dir: Path | RunDirectory) -> list[str]:
    """Every disagreement, one sentence each; empty when the run can be relied upon.

    All checksums, and results.json computed again from the evidence alone. Writes nothing.
    Raises EvidenceError only when `run_dir` is no run directory.
    """
    run = run_dir if isinstance(run_dir, RunDirectory) else RunDirectory.open(run_dir)
    manifest = run.read_manifest()
    if manifest.sweep is None:
        return check_checksums(run) + _results(run, lambda: judge(run).to_json())
    return check_checksums(run) + _sweep(run)


def _sweep(run: RunDirectory) -> list[str]:
    """Every finished point as a run of its own, then the table made of them."""
    found = []
    for attempt in read_journal(run).finished().values():
        point = RunDirectory(run.path / attempt.folder)
        problems = [damage(run, attempt)] if damage(run, attempt) else []
        problems += _results(point, lambda point=point: judge(point).to_json())  # type: ignore[misc]
        found += [f"{attempt.folder}: {problem}" for problem in problems]
    return found + _results(run, lambda: judge_sweep(run, judge).to_json())


def _results(run: RunDirectory, compute: Callable[[], str]) -> list[str]:
    name = run.results.name
    try:
        again = compute()
    except EvidenceError as error:
        return [f"{name}: cannot be computed again: {error.message}"]
    if not run.results.exists():
        return [f"{name}: missing"]
    written = run.results.read_text(errors="replace")
    if written == again:
        return []
    try:
        found = list(_differences(json.loads(written), json.loads(again), ""))
    except ValueError:
        return [f"{name}: is no JSON document"]
    more = len(found) - DIFFERENCES_MAX
    shown = [f"{name}: {difference}" for difference in found[:DIFFERENCES_MAX]]
    if more > 0:
        shown.append(f"{name}: and {more} more differences")
    return shown or [f"{name}: same figures, written differently"]


def _differences(written: Any, again: Any, path: str) -> Iterator[str]:
    """Where two JSON documents differ; list items that have a name are called by it."""
    if isinstance(written, dict) and isinstance(again, dict):
        for key in sorted(written.keys() | again.keys()):
            yield from _differences(written.get(key), again.get(key), f"{path}.{key}".strip("."))
    elif isinstance(written, list) and isinstance(again, list) and len(written) == len(again):
        for index, (one, other) in enumerate(zip(written, again, strict=True)):
            label = other.get("name", index) if isinstance(other, dict) else index
            yield from _differences(one, other, f"{path}.{label}")
    elif written != again or type(written) is not type(again):
        yield f"{path} says {_short(written)}, computed again {_short(again)}"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 80 else text[:77] + "..."
