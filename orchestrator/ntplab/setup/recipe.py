"""What an image is made of, read from its Dockerfile: parents, folders, one checksum. Pure but
for reading files; `images.py` builds by it.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "ntplab/"
HOST_CA = "host-ca.crt"
_LEFT_OUT = {"build", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


@dataclass(frozen=True)
class Recipe:
    """`image` is built from `images` folder's Dockerfile and the folders it copies from."""

    image: str
    parents: frozenset[str]
    """Images of ours that it is made from."""
    outside: frozenset[str]
    """Images of others that it is made from."""
    folders: frozenset[str]
    """Folders of images/ that go into it."""

    @property
    def dockerfile(self) -> str:
        """Its path in the build context."""
        return f"{self.image.removeprefix(PREFIX)}/Dockerfile"


def read_recipes(images_dir: Path) -> dict[str, Recipe]:
    """The recipe of every folder of images/ that has a Dockerfile, by image name."""
    found = sorted(images_dir.glob("*/Dockerfile"))
    recipes = [parse_recipe(PREFIX + path.parent.name, path.read_text()) for path in found]
    return {recipe.image: recipe for recipe in recipes}


def parse_recipe(image: str, dockerfile: str) -> Recipe:
    """Read FROM, COPY and ADD; other instructions bring nothing in from the context."""
    stages: set[str] = set()
    bases: set[str] = set()
    folders = {image.removeprefix(PREFIX)}
    for line in _instructions(dockerfile):
        words = [word for word in line.split() if not word.startswith("--")]
        if words[0].upper() == "FROM":
            bases |= {words[1]} - stages
            stages |= set(words[3:4])
        elif words[0].upper() in ("COPY", "ADD") and "--from=" not in line:
            folders |= {source.partition("/")[0] for source in words[1:-1] if "/" in source}
            folders |= {source for source in words[1:-1] if re.fullmatch(r"[\w.-]+", source)}
    folders.discard(HOST_CA)
    ours = frozenset(base for base in bases if base.startswith(PREFIX))
    return Recipe(image, ours, frozenset(bases) - ours, frozenset(folders))


def _instructions(dockerfile: str) -> Iterator[str]:
    """Lines with continuations joined, without comments."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        if line.strip():
            yield line.strip()


def wanted(recipes: Mapping[str, Recipe], names: set[str]) -> dict[str, Recipe]:
    """The recipes of `names` and of everything they are made from."""
    chosen: dict[str, Recipe] = {}
    todo = list(names)
    while todo:
        recipe = recipes[todo.pop()]
        if recipe.image not in chosen:
            chosen[recipe.image] = recipe
            todo += recipe.parents
    return chosen


def checksum(images_dir: Path, recipe: Recipe, made_from: Mapping[str, str]) -> str:
    """sha256 over all that decides what the image holds.

    `made_from`: the checksum of each parent of ours, the content id of each image of others.
    """
    digest = hashlib.sha256()
    for name in sorted(recipe.parents | recipe.outside):
        digest.update(f"{name}={made_from[name]}\n".encode())
    for path in context_files(images_dir, recipe):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
        digest.update(f"{path.relative_to(images_dir)} {_mode(path):o} {content}\n".encode())
    return digest.hexdigest()


def context_files(images_dir: Path, recipe: Recipe) -> list[Path]:
    """Every file of the build context, sorted; what builds and tools leave behind is not in it."""
    return sorted(
        path
        for folder in recipe.folders
        for path in (images_dir / folder).rglob("*")
        if path.is_file() and not _LEFT_OUT & set(path.relative_to(images_dir).parts)
    )


def pack_context(images_dir: Path, recipe: Recipe, host_ca: bytes | None) -> bytes:
    """The build context as a tar that depends on contents and modes only.

    `host_ca` is this machine's bundle of certificate authorities, for builds behind a proxy
    that signs with its own; no Dockerfile copies it into its last stage.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for path in context_files(images_dir, recipe):
            _add(tar, str(path.relative_to(images_dir)), path.read_bytes(), _mode(path))
        if host_ca is not None:
            _add(tar, HOST_CA, host_ca, 0o644)
    return buffer.getvalue()


def _add(tar: tarfile.TarFile, name: str, content: bytes, mode: int) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), mode
    tar.addfile(entry, io.BytesIO(content))


def _mode(path: Path) -> int:
    return 0o755 if path.stat().st_mode & 0o100 else 0o644
