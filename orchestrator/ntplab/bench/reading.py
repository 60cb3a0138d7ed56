"""What it costs to read the clock: the virtual one, the machine's own, libfaketime's.

`images/vclock/vclockbench.c` counts; each way of reading has its turn in every round. The library
is built from the same sources as in the images, on this machine: no container is involved.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError
from ..labtime import raw_ns
from ..paths import IMAGES_DIR
from .figures import Outcome, Skipped, compare
from .measuring import Bench, CannotMeasure

NATIVE = "clock_gettime"
FAKETIME = "clock_gettime_vs_faketime"
FAKETIME_UNCACHED = "clock_gettime_vs_faketime_uncached"
ABOUT = {
    NATIVE: "reading the virtual clock beside the machine's own",
    FAKETIME: "... beside libfaketime, which sees a changed setting after up to ten seconds",
    FAKETIME_UNCACHED: "... beside libfaketime that looks for changed settings at every reading",
}
TARGET = 1.4
RUNS = 11
RUN_LIMIT_S = 60
CALLS = 20_000
CALLS_UNCACHED = 200
"""libfaketime opens and reads its file at each of these."""
LIBFAKETIME_PATTERNS = (
    "/usr/lib/*/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
    "/usr/lib64/faketime/libfaketime.so.1",
)


@dataclass(frozen=True)
class Way:
    """One way of reading the clock: the environment that makes it so, and calls per round."""

    name: str
    environment: Mapping[str, str]
    calls: int = CALLS


def measure(bench: Bench) -> Iterator[Outcome]:
    """Figures in ns per call of clock_gettime(CLOCK_REALTIME)."""
    build = build_library(bench.scratch)
    program = build / "vclockbench"
    ways = [Way("native", {}), virtual(build, bench.scratch)]
    library = find_libfaketime()
    if library and bench.wanted & {FAKETIME, FAKETIME_UNCACHED}:
        ways += faketime(library, bench.scratch)
    rounds = {way.name: [] for way in ways}  # type: dict[str, list[float]]
    for _ in range(RUNS):
        for way in ways:
            rounds[way.name].append(time_reading(program, way))
        bench.tell(NATIVE, ", ".join(f"{name} {ns[-1]:.1f} ns" for name, ns in rounds.items()))
    ours = rounds["virtual"]
    yield compare(NATIVE, ours, rounds["native"], "native", "ns", TARGET)
    for name, way_name in ((FAKETIME, "libfaketime"), (FAKETIME_UNCACHED, "libfaketime uncached")):
        if way_name in rounds:
            yield compare(name, ours, rounds[way_name], way_name, "ns", None)
        elif name in bench.wanted:
            yield Skipped(name, "libfaketime is not installed (package faketime)")


def build_library(scratch: Path) -> Path:
    """Library and counting program, built outside the source tree; the folder they are in."""
    if not (shutil.which("cc") and shutil.which("make")):
        raise CannotMeasure("no C compiler and make (packages gcc, libc6-dev, make)")
    build = scratch / "vclock"
    command = ["make", "-C", str(IMAGES_DIR / "vclock"), f"B={build}", "all", "bench"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise LabError("libvclock could not be built", log_tail=done.stderr.splitlines()[-5:])
    return build


def virtual(build: Path, scratch: Path) -> Way:
    """The virtual clock, on a page that is a second off."""
    page = scratch / "page"
    create = ctypes.CDLL(str(build / "libvclockmodel.so")).vclock_page_create
    create.argtypes = [ctypes.c_char_p, ctypes.c_int64, ctypes.c_int64]
    # 0: from when the clock's set holds. Any instant will do, its pace is the same.
    if (error := create(os.fsencode(page), raw_ns(), 0)) < 0:
        raise LabError(f"no clock page could be made: {os.strerror(-error)}")
    environment = {"LD_PRELOAD": str(build / "libvclock.so"), "VCLOCK_PAGE": str(page)}
    return Way("virtual", environment)


def find_libfaketime() -> Path | None:
    """The preload library of package faketime, where distributions put it."""
    found = (path for pattern in LIBFAKETIME_PATTERNS for path in Path("/").glob(pattern[1:]))
    return next(found, None)


def faketime(library: Path, scratch: Path) -> list[Way]:
    """libfaketime with settings that can be changed while a program runs: they are in a file."""
    settings = scratch / "faketime"
    settings.write_text("-5s\n")
    environment = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(settings),
        # The counting program times itself by this clock.
        "DONT_FAKE_MONOTONIC": "1",
    }
    return [
        Way("libfaketime", environment),
        Way("libfaketime uncached", {**environment, "FAKETIME_NO_CACHE": "1"}, CALLS_UNCACHED),
    ]


def time_reading(program: Path, way: Way) -> float:
    """Median ns per reading of one run of the counting program."""
    done = subprocess.run(
        [str(program), str(way.calls)],
        env={**os.environ, **way.environment},
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
    )
    if done.returncode != 0:
        raise LabError(f"{program.name} failed, {way.name}", log_tail=done.stderr.splitlines()[-5:])
    return float(json.loads(done.stdout)["realtime_ns"])
