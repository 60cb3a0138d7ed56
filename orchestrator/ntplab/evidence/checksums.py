"""SHA256SUMS: every file of a run except itself, in the format of sha256sum(1).

Written once, as the last act of a run. Later only `update_checksum` touches it, one line
at a time, for files that can be made again from the rest.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from .files import is_temporary, write_atomic

if TYPE_CHECKING:
    from .rundir import RunDirectory

SUMS = "SHA256SUMS"


def write_checksums(run: RunDirectory) -> None:
    """Checksum everything in the run directory. Call it when nothing more will be written."""
    _write(run.path, {name: _digest(run.path / name) for name in _files(run.path)})


def update_checksum(folder: Path, name: str) -> None:
    """Renew the line of one file, if the run has checksums at all."""
    if (folder / SUMS).exists():
        _write(folder, {**_read(folder), name: _digest(folder / name)})


def check_checksums(run: RunDirectory) -> list[str]:
    """What disagrees with SHA256SUMS, one sentence per file; empty when nothing does."""
    if not (run.path / SUMS).exists():
        return [f"{SUMS} is missing: the run was not finished, or the file was removed"]
    expected, present = _read(run.path), set(_files(run.path))
    problems = [
        f"{name}: changed since the run (its SHA-256 differs)"
        for name in sorted(present & expected.keys())
        if _digest(run.path / name) != expected[name]
    ]
    problems += [f"{name}: missing" for name in sorted(expected.keys() - present)]
    problems += [f"{name}: added after the run" for name in sorted(present - expected.keys())]
    return problems


def _files(folder: Path) -> list[str]:
    found = (path for path in folder.rglob("*") if path.is_file() and not is_temporary(path))
    return sorted(name for path in found if (name := path.relative_to(folder).as_posix()) != SUMS)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> dict[str, str]:
    """Unreadable lines are skipped: their files then show up as added."""
    sums: dict[str, str] = {}
    for line in (folder / SUMS).read_text(errors="replace").splitlines():
        digest, separator, name = line.partition("  ")
        if separator:
            sums[name] = digest
    return sums


def _write(folder: Path, sums: dict[str, str]) -> None:
    text = "".join(f"{digest}  {name}\n" for name, digest in sorted(sums.items()))
    write_atomic(folder / SUMS, text.encode())
