"""How fast evidence is judged, and in how much memory: by column, beside row by row.

The evidence is made, not measured (`evidence_made`): attempts, the servers' records of them and
the observer's samples, as a run of three servers would leave them. Each judging is a process of
its own, so that its peak memory is its own. Run as a program, this module is that process:

    python -m ntplab.bench.judging RUN columns|rows
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow.parquet as pq

from ..errors import NtplabError
from ..evidence import TABLES, Evidence, RunDirectory
from .evidence_made import Size, make_run
from .figures import Outcome, against_limit, compare
from .measuring import Bench

RATE, MEMORY_RATIO = "analysis_rows_per_second", "analysis_peak_memory"
SECONDS, MEMORY = "analysis_10m_rows_seconds", "analysis_10m_attempts_memory"
ABOUT = {
    RATE: "rows of evidence judged in a second, beside judging row by row",
    MEMORY_RATIO: "peak memory of judging, beside judging row by row",
    SECONDS: "judging a run of ten million rows",
    MEMORY: "peak memory of judging ten million attempts and ten million clock samples",
}
RUNS = 3
BOTH_WAYS = Size(attempts=50_000, clock=50_000)
TEN_MILLION_ROWS = Size(attempts=1_666_667, clock=1_666_667)
"""an attempt has a record, and a claim in each of three databases: six rows with its sample"""
TEN_MILLION_ATTEMPTS = Size(attempts=10_000_000, clock=10_000_000)
LIMIT_S, LIMIT_MB = 15.0, 2048.0


@dataclass(frozen=True)
class Judged:
    """One judging: wall and processor seconds of its process, and its peak resident memory."""

    seconds: float
    cpu_seconds: float
    peak_mb: float


def measure(bench: Bench) -> Iterator[Outcome]:
    """The figures that were asked for; evidence is made and removed one after the other."""
    if bench.wanted & {RATE, MEMORY_RATIO}:
        yield from _both_ways(bench)
    if SECONDS in bench.wanted:
        taken = _judged_made(bench, SECONDS, TEN_MILLION_ROWS)
        yield against_limit(SECONDS, [taken.seconds], LIMIT_S, "s")
    if MEMORY in bench.wanted:
        taken = _judged_made(bench, MEMORY, TEN_MILLION_ATTEMPTS)
        yield against_limit(MEMORY, [taken.peak_mb], LIMIT_MB, "MB")


def _both_ways(bench: Bench) -> Iterator[Outcome]:
    run = make_run(bench.scratch / "both", BOTH_WAYS)
    count = rows_of(run)
    ours, other = [], []
    for _ in range(RUNS):
        ours.append(judged(run, "columns"))
        other.append(judged(run, "rows"))
        bench.tell(RATE, f"{count} rows in {ours[-1].seconds:.1f} s, {other[-1].seconds:.1f} s")
    ours_rate, other_rate = ([count / one.seconds for one in way] for way in (ours, other))
    ours_mb, other_mb = ([one.peak_mb for one in way] for way in (ours, other))
    yield compare(RATE, ours_rate, other_rate, "row by row", "rows/s", 1.0, "higher")
    yield compare(MEMORY_RATIO, ours_mb, other_mb, "row by row", "MB", 1.0)


def _judged_made(bench: Bench, name: str, size: Size) -> Judged:
    bench.tell(name, f"making evidence: {size.attempts} attempts, {size.clock} clock samples")
    run = make_run(bench.scratch / name, size)
    count = rows_of(run)
    taken = judged(run, "columns")
    rate = count / taken.seconds
    bench.tell(
        name,
        f"{count} rows: {taken.seconds:.1f} s ({rate:.0f} rows/s, {taken.cpu_seconds:.1f} s of "
        f"processor time), {taken.peak_mb:.0f} MB",
    )
    for path in run.evidence.iterdir():
        path.unlink()
    return taken


def rows_of(run: RunDirectory) -> int:
    """Rows of all tables together."""
    files = (run.evidence / f"{table}.parquet" for table in TABLES)
    return sum(int(pq.read_metadata(path).num_rows) for path in files)


def judged(run: RunDirectory, way: str) -> Judged:
    """Judge a run in a process of its own. Raises NtplabError when that fails."""
    package = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "ntplab.bench.judging", str(run.path), way],
        env={**os.environ, "PYTHONPATH": str(package)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NtplabError("judging failed", log_tail=done.stderr.splitlines()[-5:])
    return Judged(**json.loads(done.stdout))


def main(path: str, way: str) -> None:
    """The process that judges: prints its `Judged` as JSON."""
    begin = time.monotonic()
    run = RunDirectory.open(Path(path))
    if way == "rows":
        _row_by_row(run)
    else:
        from ..analysis import judge

        judge(run)
    taken = Judged(
        seconds=time.monotonic() - begin,
        cpu_seconds=time.process_time(),
        peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    )
    print(json.dumps(asdict(taken)))


def _row_by_row(run: RunDirectory) -> None:
    from ..analysis.clocks import load_clocks
    from ..analysis.phases import phase_spans
    from .plain import figures

    with Evidence(run) as evidence:
        manifest, events, clocks = evidence.manifest(), evidence.events(), load_clocks(evidence)
        for span in phase_spans(manifest, events, None):
            figures(evidence, manifest, clocks, span, events)


if __name__ == "__main__":
    main(*sys.argv[1:])
