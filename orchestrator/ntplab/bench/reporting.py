"""What a report costs: a run with a million clock samples, told on one page.

No lab: the evidence is made up, in the form of a real run's. Judging it is not timed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ..analysis import analyze
from ..evidence import Manifest, RunDirectory, SpoolWriter, seal, write_checksums
from ..report import write_report
from ..units import NS_PER_S
from .figures import Outcome, against_limit
from .measuring import Bench

TIME, SIZE = "report_time", "report_size"
ABOUT = {
    TIME: "report.html of a run with a million clock samples, in seconds",
    SIZE: "its size, in MB",
}
TIME_S_MAX, SIZE_MB_MAX = 10.0, 5.0
SAMPLES, SERVERS, PHASES = 1_000_000, 10, 4
SAMPLE_NS = NS_PER_S // 20
START_NS = 1_795_348_800 * NS_PER_S
RUNS = 3


def measure(bench: Bench) -> Iterator[Outcome]:
    """Time and size of the same report."""
    run = made_run(bench.scratch)
    times_s, sizes_mb = [], []
    for _ in range(RUNS):
        begin = time.perf_counter()
        page = write_report(run)
        times_s.append(time.perf_counter() - begin)
        sizes_mb.append(page.stat().st_size / 1e6)
        bench.tell(TIME, f"{times_s[-1]:.2f} s, {sizes_mb[-1]:.2f} MB")
    yield against_limit(TIME, times_s, TIME_S_MAX, "s")
    yield against_limit(SIZE, sizes_mb, SIZE_MB_MAX, "MB")


def made_run(folder: Path) -> RunDirectory:
    """A judged run directory of `SAMPLES` clock samples, every pixel of them different."""
    run = RunDirectory.create(folder, "report", datetime.fromtimestamp(START_NS // NS_PER_S, UTC))
    per_phase = SAMPLES // SERVERS // PHASES
    span_ns = per_phase * SAMPLE_NS
    names = [f"server{number}" for number in range(SERVERS)]
    run.write_manifest(
        Manifest.model_validate(
            {
                "run": run.run_id,
                "scenario_name": "report",
                "policy": "timestamp-order",
                "seed": 1,
                "nodes": [{"name": name, "kind": "server"} for name in names],
                "phases": [{"name": f"phase{i}", "duration_ns": span_ns} for i in range(PHASES)],
            }
        )
    )
    with SpoolWriter(run) as spool:
        for phase in range(PHASES):
            start_ns = START_NS + phase * span_ns
            for name in ("phase.started", "phase.measuring"):
                run.append_event({"lab_ns": start_ns, "event": name, "phase": f"phase{phase}"})
            for number, name in enumerate(names):
                spool.append("clock", _samples(name, number, start_ns, per_phase))
            end_ns = start_ns + span_ns - 1
            run.append_event({"lab_ns": end_ns, "event": "phase.ended", "phase": f"phase{phase}"})
    run.append_event({"lab_ns": START_NS + PHASES * span_ns, "event": "run.ended"})
    seal(run)
    analyze(run)
    write_checksums(run)
    return run


def _samples(node: str, number: int, start_ns: int, count: int) -> Iterator[dict[str, object]]:
    """A clock that swings, with noise that no two pixels share."""
    for index in range(count):
        lab_ns = start_ns + index * SAMPLE_NS
        swing = 5e8 * (number + 1) * math.sin(index / 700 + number)
        divergence_ns = round(swing + 1e6 * math.sin(index * 7919.0))
        yield {
            "lab_ns": lab_ns,
            "node": node,
            "wall_ns": lab_ns + divergence_ns,
            "divergence_ns": divergence_ns,
        }
