"""What the tests of the virtual clock share: the library built from source, and clock pages.

Everything lies in a directory that any user may enter, because some tests read the clock as a user
who may not set it.
"""

from __future__ import annotations

import ctypes as ct
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import clockpage
import pytest
from clockpage import ClockPage

REPO = Path(__file__).resolve().parents[2]
SOURCES = REPO / "images" / "vclock"
EARLY = Path(__file__).with_name("early.c")
NOBODY = 65534
RUN_LIMIT_S = 60


@pytest.fixture(scope="session")
def public_dir() -> Iterator[Path]:
    """A temporary directory that every user may enter."""
    path = Path(tempfile.mkdtemp(prefix="ntplab-clock-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def build(public_dir: Path) -> Path:
    """The library, built as the images build it but not in the source tree."""
    target = public_dir / "build"
    command = ["make", "-C", str(SOURCES), f"B={target}", "all", "bench"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return target


@pytest.fixture(scope="session")
def library(build: Path) -> ct.CDLL:
    return clockpage.load(build / "libvclockmodel.so")


PageFactory = Callable[..., ClockPage]


@pytest.fixture(scope="session")
def new_page(library: ct.CDLL, public_dir: Path) -> Iterator[PageFactory]:
    """Makes pages: `new_page(raw_ns, wall_ns)`."""
    pages: list[ClockPage] = []
    numbers = itertools.count()

    def make(raw_ns: int, wall_ns: int) -> ClockPage:
        path = public_dir / f"page-{next(numbers)}"
        pages.append(ClockPage.create(library, path, raw_ns, wall_ns))
        return pages[-1]

    yield make
    for page in pages:
        page.close()


@pytest.fixture
def live_page(new_page: PageFactory, library: ct.CDLL) -> ClockPage:
    """A page of now: a year off, so that no reading of the host's clock passes for its own."""
    raw_ns = library.vclock_raw_now()
    return new_page(raw_ns, 1_700_000_000 * 10**9)


@dataclass
class Preloaded:
    """Runs programs under libvclock.so."""

    library_path: Path
    page_path: Path | None = None
    extra_preload: list[Path] = field(default_factory=list)

    def environment(self) -> dict[str, str]:
        preload = [self.library_path, *self.extra_preload]
        env = {**os.environ, "LD_PRELOAD": ":".join(map(str, preload)), "TZ": "UTC"}
        env.pop("VCLOCK_PAGE", None)
        if self.page_path:
            env["VCLOCK_PAGE"] = str(self.page_path)
        return env

    def run(
        self, *command: str | Path, user: int | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            list(map(str, command)),
            env=self.environment(),
            user=user,
            cwd="/",
            capture_output=True,
            text=True,
            timeout=RUN_LIMIT_S,
        )

    def python(self, source: str, user: int | None = None) -> str:
        """What the system's Python prints for a program; it must succeed."""
        done = self.run(system_python(), "-c", source, user=user)
        assert done.returncode == 0, done.stderr
        return done.stdout


def system_python() -> str:
    """A Python that any user may run: not the one of a private virtual environment."""
    return shutil.which("python3", path="/usr/bin:/bin") or sys.executable


@pytest.fixture
def preloaded(build: Path, live_page: ClockPage) -> Preloaded:
    return Preloaded(build / "libvclock.so", live_page.path)


@pytest.fixture(scope="session")
def compile_c(build: Path) -> Callable[..., Path]:
    """Compiles a C source: `compile_c(name, source, *options)`, all warnings being errors."""

    def make(name: str, source: str, *options: str) -> Path:
        program, file = build / name, build / f"{name}.c"
        file.write_text(source)
        command = ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"]
        command += ["-I", str(SOURCES), "-o", str(program), str(file), *options]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return program

    return make


@pytest.fixture(scope="session")
def early_library(compile_c: Callable[..., Path]) -> Path:
    """A library whose constructor reads the time."""
    return compile_c("early.so", EARLY.read_text(), "-shared", "-fPIC")
