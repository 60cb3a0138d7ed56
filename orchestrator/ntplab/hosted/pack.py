"""Packs what a host needs of this repository. Run by the playbook on the machine that deploys.

The archive depends on names, contents and modes only, so its checksum says whether there is
anything new. Prints one JSON document: `{"code": ID, "archive": PATH, "images": CHECKSUM}`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

PARTS = ("LICENSE", "compose", "images", "ntplab", "orchestrator", "requirements.txt")
LEFT_OUT_NAMES = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache", ".env"}
LEFT_OUT_PATHS = {"compose/secrets", "images/vclock/build", "images/host-ca.crt"}
"""What must stay where it is: secrets, what builds leave behind, this machine's authorities."""
_BLOCK = 1 << 20


def packed_files(repository: Path) -> list[Path]:
    """Every file that goes along, sorted, relative to the repository."""
    found: list[Path] = []
    for part in PARTS:
        if (repository / part).is_file():
            found.append(Path(part))
            continue
        for folder, folders, names in os.walk(repository / part):
            here = Path(folder).relative_to(repository)
            folders[:] = [name for name in folders if _goes_along(here / name)]
            found += [here / name for name in names if _goes_along(here / name)]
    return sorted(found)


def _goes_along(path: Path) -> bool:
    return path.name not in LEFT_OUT_NAMES and path.as_posix() not in LEFT_OUT_PATHS


def pack(repository: Path) -> bytes:
    """A gzipped tar of `packed_files`."""
    buffer = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=buffer, mode="wb", mtime=0, compresslevel=6) as squeezed,
        tarfile.open(fileobj=squeezed, mode="w") as tar,
    ):
        for path in packed_files(repository):
            content = (repository / path).read_bytes()
            entry = tarfile.TarInfo(path.as_posix())
            entry.size = len(content)
            entry.mode = 0o755 if (repository / path).stat().st_mode & 0o100 else 0o644
            tar.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def checksum(path: Path) -> str:
    """sha256 of a large file."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the archive into a folder, under its checksum."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("repository", type=Path)
    parser.add_argument("--into", type=Path, required=True)
    parser.add_argument("--images", type=Path, help="an archive made by `docker save`")
    asked = parser.parse_args(arguments)
    content = pack(asked.repository)
    code = hashlib.sha256(content).hexdigest()[:12]
    asked.into.mkdir(parents=True, exist_ok=True)
    archive = asked.into / f"ntplab-{code}.tar.gz"
    if not archive.exists():
        for old in asked.into.glob("ntplab-*.tar.gz"):
            old.unlink()
        whole = archive.with_suffix(".new")
        whole.write_bytes(content)
        whole.replace(archive)
    images = checksum(asked.images) if asked.images else ""
    sys.stdout.write(json.dumps({"code": code, "archive": str(archive), "images": images}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
