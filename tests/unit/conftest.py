"""What several files of unit tests need: the C library, as a build and in this process."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from observer import pages

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """libvclockmodel.so, built from images/vclock."""
    build = tmp_path_factory.mktemp("vclock")
    made = subprocess.run(
        ["make", "-s", "-C", str(REPOSITORY / "images/vclock"), f"B={build}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    return build / "libvclockmodel.so"


@pytest.fixture
def model(library: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`observer.pages` works on real pages in this process."""
    monkeypatch.setenv(pages.LIBRARY_VARIABLE, str(library))
    pages._library.cache_clear()
    yield
    pages._library.cache_clear()
