"""The run directory: what a run leaves behind. Fifth stage, between collect and analysis.

    run = RunDirectory.create(Path("runs"), "concert", started)
    run.write_manifest(manifest)                       # atomic, as often as you like
    run.append_event(event.record())                   # one line, at once
    with SpoolWriter(run) as spool:
        spool.append("clock", rows)                    # one write and flush per call
        spool.sync()                                   # fsync, at phase ends
    seal(run)                                          # spool -> Parquet
    analyze(run.path)                                  # from ntplab.analysis
    write_checksums(run)                               # last of all

A kill at any moment leaves the spool and the events readable: `Evidence(run)` takes the
Parquet file where there is one and the spool where there is not.
"""

from .checksums import check_checksums, write_checksums
from .journal import Attempt, Journal, damage, digest_of, new_folder, note, read_journal
from .manifest import (
    CLOCK_ERROR_NS,
    Manifest,
    ManifestFault,
    ManifestNode,
    ManifestPhase,
    ManifestPoint,
    ManifestSettle,
    ManifestSweep,
    Skew,
)
from .reader import Event, Evidence
from .rundir import RunDirectory, find_run, list_runs
from .schema import TABLES
from .sealing import seal
from .spool import SpoolWriter

__all__ = [
    "CLOCK_ERROR_NS",
    "TABLES",
    "Attempt",
    "Event",
    "Evidence",
    "Journal",
    "Manifest",
    "ManifestFault",
    "ManifestNode",
    "ManifestPhase",
    "ManifestPoint",
    "ManifestSettle",
    "ManifestSweep",
    "RunDirectory",
    "Skew",
    "SpoolWriter",
    "check_checksums",
    "damage",
    "digest_of",
    "find_run",
    "list_runs",
    "new_folder",
    "note",
    "read_journal",
    "seal",
    "write_checksums",
]
