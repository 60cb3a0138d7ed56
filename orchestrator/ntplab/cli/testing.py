"""Runs pytest for `test`: what can run side by side, then labs three at a time, then the rest.

The tests of kinds unit and clock share nothing; those of the clock wait most of their time, and so
do labs, which share an engine as those of three users would, with a demo stack and machines to
install it on among them. What is marked `alone` measures on the machine that it runs on, and runs
last, by itself. Each part is a pytest of its own: one that is interrupted has other things to
clear away.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from ..paths import REPO_DIR

# Which kinds have tests of a part, and how pytest runs that part; which test belongs to which is
# said in tests/conftest.py. In parallel, whoever is done takes over from the others: a test may
# take a minute, or a millisecond. Labs are shared by the tests of a file; files that take longest
# begin first, so that none of them is left for the end.
PARTS: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
    "parallel": (
        ("unit", "clock"),
        ("-n", "auto", "--maxprocesses", "8", "--dist", "worksteal"),
    ),
    "labs": (
        ("vps", "lab", "browser"),
        ("-n", "3", "--dist", "loadfile", "--no-loadscope-reorder"),
    ),
    "alone": (("clock", "lab"), ()),
}

# Exit codes of pytest
PASSED, FAILED, NOTHING_TO_RUN = 0, 1, 5


@dataclass(frozen=True)
class Outcome:
    """How one pytest ended: `counts` by pytest's words, `failed` the tests that did not pass."""

    code: int
    counts: Mapping[str, int]
    failed: Sequence[str]


def parts_of(kinds: Iterable[str]) -> list[tuple[list[str], list[str]]]:
    """The kinds of each pytest to run, and its options."""
    chosen = set(kinds)
    parts = [
        ([kind for kind in having if kind in chosen], [*how, "--part", name])
        for name, (having, how) in PARTS.items()
    ]
    return [(here, how) for here, how in parts if here]


def run_pytest(arguments: Sequence[str], environment: Mapping[str, str]) -> Outcome:
    """One pytest. Raises KeyboardInterrupt if that interrupted it, once it has cleared away."""
    with tempfile.TemporaryDirectory() as directory:
        tally = Path(directory) / "tally.json"
        command = [sys.executable, "-m", "pytest", f"--tally={tally}", *arguments]
        code = _run(command, environment)
        told = json.loads(tally.read_text()) if tally.exists() else {"counts": {}, "failed": []}
    return Outcome(code, told["counts"], told["failed"])


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Runs pytest in a process group of its own, all of which is told once that it is to stop:
    each of its parallel processes has things to clear away."""
    interrupted = False
    with subprocess.Popen(command, cwd=REPO_DIR, env=dict(environment), process_group=0) as process:

        def terminate(_number: int, _frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, terminate)
        while (code := process.poll()) is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                os.killpg(process.pid, signal.SIGINT)
                interrupted = True
        signal.signal(signal.SIGTERM, before)
    if interrupted:
        raise KeyboardInterrupt
    return code


def goes_on(outcome: Outcome) -> bool:
    """Whether the next part is run: not after a pytest that was stopped, or could not start."""
    return outcome.code in (PASSED, FAILED, NOTHING_TO_RUN)


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Pytest's, of all parts together: that one of them had nothing to run says little."""
    codes = {outcome.code for outcome in outcomes}
    return max(codes - {NOTHING_TO_RUN}, default=NOTHING_TO_RUN)


def summary(outcomes: Sequence[Outcome]) -> str:
    """What all parts together came to, as pytest says it of one."""
    total: Counter[str] = Counter()
    for outcome in outcomes:
        total.update(outcome.counts)
    failed = [f"failed: {test}" for outcome in outcomes for test in outcome.failed]
    counts = ", ".join(f"{number} {what}" for what, number in total.items()) or "no tests"
    return "\n".join([*failed, f"all together: {counts}"])
