"""Files in and out of containers, as the tar archives Docker exchanges. Pure."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import IO, cast

from .container_config import OWNER_UID

SECRETS_DIR = "/etc/ntplab/secrets/"


def pack(files: Mapping[str, bytes]) -> bytes:
    """A tar of `files` (absolute path -> content) to unpack at `/`.

    Owned by the lab's user; secrets are readable by it alone. Directories are left out: the
    engine makes the missing ones and does not touch those that exist.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path, content in sorted(files.items()):
            tar.addfile(_entry(path, len(content)), io.BytesIO(content))
    return buffer.getvalue()


def _entry(path: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.size = size
    entry.uid = entry.gid = OWNER_UID
    entry.mode = 0o400 if path.startswith(SECRETS_DIR) else 0o644
    return entry


def unpack(path: str, chunks: Iterable[bytes]) -> dict[str, bytes]:
    """The regular files of an archive of `path`, keyed by their path relative to it.

    Docker puts the last component of `path` in front of every name; a single file keeps its
    own name.
    """
    with tarfile.open(fileobj=cast("IO[bytes]", _Reader(chunks)), mode="r|") as tar:
        return {
            _relative(path, entry.name): content.read()
            for entry in tar
            if entry.isreg() and (content := tar.extractfile(entry)) is not None
        }


def _relative(path: str, name: str) -> str:
    parts = PurePosixPath(name).parts
    inside = parts[1:] if path.rstrip("/") else parts
    return "/".join(inside) or parts[-1]


class _Reader:
    """The read half of a file, over chunks as they arrive: a log may be too big to hold twice."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._held = bytearray()

    def read(self, size: int) -> bytes:
        while len(self._held) < size and (chunk := next(self._chunks, None)) is not None:
            self._held += chunk
        taken = bytes(self._held[:size])
        del self._held[:size]
        return taken
