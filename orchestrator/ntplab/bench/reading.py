"""What it costs to read the clock: the virtual one, the machine's own, libfaketime's.

Two programs count, `images/vclock/vclockbench.c` and `python_time.py`. Each way of reading has its
turn in every round, so that whatever else runs on the machine meets them all.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import LabError
from .clockpages import build_library, make_page, slew
from .figures import Outcome, Skipped, compare
from .measuring import Bench

NATIVE = "clock_gettime"
SLEWED = "clock_gettime_slewed"
PYTHON = "python_time"
VS_FAKETIME = "_vs_faketime"
VS_UNCACHED = "_vs_faketime_uncached"
ABOUT = {
    NATIVE: "reading the virtual clock beside the machine's own",
    SLEWED: "... while the kernel's loop corrects it second by second, as ntpd has it",
    NATIVE + VS_FAKETIME: "... beside libfaketime, which sees a changed setting after up to 10 s",
    NATIVE + VS_UNCACHED: "... beside libfaketime that looks for changed settings at every reading",
    PYTHON: "Python's time.time() on the virtual clock beside the machine's own",
    PYTHON + VS_FAKETIME: "... beside libfaketime, which sees a changed setting after up to 10 s",
    PYTHON + VS_UNCACHED: "... beside libfaketime that looks for changed settings at every reading",
}
TARGETS = {NATIVE: 1.15, SLEWED: 1.15, PYTHON: 1.05}
RUNS = 31
RUN_LIMIT_S = 60
CALLS = 2_000
CALLS_UNCACHED = 20
"""libfaketime opens and reads its file at each of these."""
PYTHON_PROGRAM = Path(__file__).with_name("python_time.py")
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
    slow: bool = False


def measure(bench: Bench) -> Iterator[Outcome]:
    """Figures in ns per call."""
    build = build_library(bench.scratch)
    page = bench.scratch / "page"
    ways = [Way("native", {}), Way("virtual", make_page(build, page))]
    if (library := find_libfaketime()) is not None:
        ways += faketime(library, bench.scratch)
    if wants(bench, NATIVE) or SLEWED in bench.wanted:
        slewed = bench.scratch / "slewed"
        environment = make_page(build, slewed)
        slew(build, slewed)
        every = [*ways, Way("slewed", environment)]
        found = in_turn(bench, NATIVE, [str(build / "vclockbench")], every)
        yield from figures(bench, NATIVE, found)
        yield compare(
            SLEWED, found["slewed"], found["native"], "native", "ns", TARGETS[SLEWED], paired=True
        )
    if wants(bench, PYTHON):
        program = [sys.executable, "-I", str(PYTHON_PROGRAM)]
        yield from figures(bench, PYTHON, in_turn(bench, PYTHON, program, ways))


def wants(bench: Bench, name: str) -> bool:
    """Whether a figure of this program was asked for."""
    return bool({name, name + VS_FAKETIME, name + VS_UNCACHED} & bench.wanted)


def in_turn(
    bench: Bench, name: str, program: Sequence[str], ways: Sequence[Way]
) -> dict[str, list[float]]:
    """Nanoseconds per reading of every run: of each way one, then of each another."""
    rounds: dict[str, list[float]] = {way.name: [] for way in ways}
    for number in range(RUNS):
        # Forth and back: what grows or fades during a round favors none.
        for way in ways if number % 2 else reversed(ways):
            rounds[way.name].append(time_reading(program, way))
        bench.tell(name, ", ".join(f"{way} {ns[-1]:.1f} ns" for way, ns in rounds.items()))
    return rounds


def figures(bench: Bench, name: str, found: Mapping[str, Sequence[float]]) -> Iterator[Outcome]:
    """The figures of one program: beside the machine's own clock, and beside libfaketime."""
    ours = found["virtual"]
    yield compare(name, ours, found["native"], "native", "ns", TARGETS[name], paired=True)
    for suffix, way in ((VS_FAKETIME, "libfaketime"), (VS_UNCACHED, "libfaketime uncached")):
        if way in found:
            yield compare(name + suffix, ours, found[way], way, "ns", None, paired=True)
        elif name + suffix in bench.wanted:
            yield Skipped(name + suffix, "libfaketime is not installed (package faketime)")


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
        # The counting programs time themselves by this clock.
        "DONT_FAKE_MONOTONIC": "1",
    }
    return [
        Way("libfaketime", environment),
        Way("libfaketime uncached", {**environment, "FAKETIME_NO_CACHE": "1"}, slow=True),
    ]


def time_reading(program: Sequence[str], way: Way) -> float:
    """Nanoseconds per reading of one run of a counting program."""
    done = subprocess.run(
        [*program, str(CALLS_UNCACHED if way.slow else CALLS)],
        env={**os.environ, **way.environment},
        capture_output=True,
        text=True,
        timeout=RUN_LIMIT_S,
    )
    if done.returncode != 0:
        name = Path(program[-1]).name
        raise LabError(f"{name} failed, {way.name}", log_tail=done.stderr.splitlines()[-5:])
    return float(json.loads(done.stdout)["realtime_ns"])
