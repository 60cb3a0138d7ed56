"""Writing files so that a kill leaves the old one or the new one, never half of one."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import DiskError


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Say it in our words when the disk is full, or gone. What was written before stays."""
    try:
        yield
    except OSError as error:
        raise DiskError(
            f"{path}: cannot be written: {error.strerror or error}",
            hint="free some space, or choose another place with --out or --runs; what was "
            "collected stays valid: `./ntplab analyze` judges it",
        ) from error


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`: temporary file beside it, fsync, rename, fsync of the folder."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path), removed_on_failure(temporary):
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        publish(temporary, path)


@contextlib.contextmanager
def removed_on_failure(temporary: Path) -> Iterator[None]:
    """Half a file would only take the space that there is none of."""
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def publish(temporary: Path, path: Path) -> None:
    """Rename a finished file into place and make the rename durable."""
    temporary.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """fsync a directory, so that names created in it survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_temporary(path: Path) -> bool:
    """Left over from a write that was killed; never evidence."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def append_whole(path: Path, data: bytes) -> None:
    """Append all of `data` or, where that fails, nothing: no line is ever left half written."""
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        write_whole(descriptor, data)
    finally:
        os.close(descriptor)


def write_whole(descriptor: int, data: bytes) -> None:
    """`append_whole` on a file that is open for appending."""
    size = os.fstat(descriptor).st_size
    left = memoryview(data)
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, size)
        raise
