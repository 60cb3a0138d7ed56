"""The virtual clock against a real kernel: the same scripts in User Mode Linux and under libvclock.

NTPLAB_DIFF_SCRIPTS: how many random scripts (default below), NTPLAB_DIFF_SEED: which. A failure
says both, and shows the script.
"""

from __future__ import annotations

import os
import platform
import random
import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path

import clockruns
import pytest
from clockpage import ClockPage
from clockruns import Comparison
from clockscripts import Generator, Script, corners

from conftest import REPO

SOURCE = REPO / "tests" / "clock" / "uml" / "clockscript.c"
XSTATE = REPO / "tests" / "support" / "uml_xstate.c"
SCRIPTS = 150
PER_CLOCK = 12
MAX_CLOCKS = 16

# Calls near the end of a second tell nothing when the machine holds a process up that long, and
# readings little when it is held up within one; more of that, and too little was compared.
LATE_PART = 0.25
MEDIAN_TOLERANCE_NS = 200_000

pytestmark = [pytest.mark.slow, pytest.mark.alone]


@pytest.fixture(scope="module")
def program(compile_c: Callable[..., Path]) -> Path:
    return compile_c("clockscript", SOURCE.read_text())


@pytest.fixture(scope="module")
def xstate(compile_c: Callable[..., Path]) -> Path:
    """Without it User Mode Linux ends at once on processors with AMX."""
    return compile_c("uml_xstate", XSTATE.read_text(), "-shared", "-fPIC", "-ldl")


@pytest.fixture(scope="module")
def kernel_here() -> None:
    if not shutil.which(clockruns.UML):
        if platform.machine() != "x86_64":
            pytest.skip("User Mode Linux is there for x86-64 only")
        pytest.fail("no User Mode Linux: `./ntplab test clock` installs it (user-mode-linux)")


class Both:
    """Runs scripts on both clocks."""

    def __init__(
        self, program: Path, xstate: Path, library: Path, new_page: Callable[..., ClockPage]
    ) -> None:
        self.program, self.xstate = program, xstate
        self.library, self.new_page = library, new_page

    def __call__(self, scripts: list[Script], directory: Path) -> list[Comparison]:
        clocks = min(MAX_CLOCKS, -(-len(scripts) // PER_CLOCK))
        batches = [range(n, len(scripts), clocks) for n in range(clocks)]
        machines, results = [], []
        for number, batch in enumerate(batches):
            text = directory / f"{number}.scripts"
            text.write_text("".join(scripts[n].text(n) for n in batch))
            kernel, virtual = directory / f"{number}.kernel", directory / f"{number}.virtual"
            page = self.new_page(-1, 10**18).path
            machines.append(clockruns.uml_machine(self.program, text, kernel, self.xstate))
            machines.append(
                clockruns.virtual_machine(self.program, text, virtual, self.library, page)
            )
            results.append((kernel, virtual))
        longest_s = max(sum(scripts[n].calls[-1].at_ns for n in b) for b in batches) / 1e9
        clockruns.run_all(machines, longest_s)

        found: dict[int, Comparison] = {}
        for kernel, virtual in results:
            real, ours = clockruns.read_results(kernel), clockruns.read_results(virtual)
            assert real.keys() == ours.keys()
            found |= {n: clockruns.compare(scripts[n], real[n], ours[n]) for n in real}
        return [found[n] for n in range(len(scripts))]


@pytest.fixture
def both(
    kernel_here: None, program: Path, xstate: Path, build: Path,
    new_page: Callable[..., ClockPage],
) -> Both:  # fmt: skip
    return Both(program, xstate, build / "libvclock.so", new_page)


@pytest.fixture
def directory(public_dir: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    path = public_dir / request.node.name
    path.mkdir()
    yield path
    shutil.rmtree(path)


def check(found: list[Comparison]) -> None:
    different = [c for c in found if c.difference]
    if different:
        report = [f"{c.script.name}:\n{c.difference}\n{c.script.text(0)}" for c in different[:5]]
        report.insert(0, f"{len(different)} of {len(found)} scripts differ (kernel / ours):")
        pytest.fail("\n\n".join(report))
    late = [c.script.name for c in found if c.late]
    assert len(late) <= max(2, LATE_PART * len(found)), f"this machine is too busy: {late}"
    apart_ns = [abs(a) for c in found for a in c.apart_ns]
    tolerances_ns = [t for c in found for t in c.tolerances_ns]
    print(
        f"{len(found)} scripts, {len(late)} cut short, {len(apart_ns)} readings: "
        f"median {statistics.median(apart_ns):.0f} ns apart, worst {max(apart_ns):.0f} ns, "
        f"median tolerance {statistics.median(tolerances_ns):.0f} ns"
    )
    assert statistics.median(tolerances_ns) < MEDIAN_TOLERANCE_NS


def test_corners_are_the_kernels(both: Both, directory: Path) -> None:
    check(both(corners(), directory))


def test_random_scripts_see_the_same_clock(both: Both, directory: Path) -> None:
    seed = int(os.environ.get("NTPLAB_DIFF_SEED") or random.SystemRandom().randrange(10**6))
    number = int(os.environ.get("NTPLAB_DIFF_SCRIPTS") or SCRIPTS)
    print(f"NTPLAB_DIFF_SEED={seed} NTPLAB_DIFF_SCRIPTS={number}")
    check(both(Generator(seed).scripts(number), directory))
