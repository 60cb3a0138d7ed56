"""Runs pytest for `test`: first what can run side by side, then the rest.

The tests of kinds unit and clock share nothing; those of the clock wait most of their time. Some
of them (marked `alone`) and all of the lab's measure on the machine that they run on, so they run
after those, one after another. Each part is a pytest of its own, because a pytest that is
interrupted gives its parallel processes ten seconds to clear away what they made, which labs may
not be done in.
"""

from __future__ import annotations

import json
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

SIDE_BY_SIDE = ("unit", "clock")
SOME_ALONE = ("clock",)
# Whoever is done takes over from the others: a test may take a minute, or a millisecond. What
# belongs to a part is said in tests/conftest.py.
IN_PARALLEL = ("-n", "auto", "--maxprocesses", "8", "--dist", "worksteal", "--part", "parallel")
ONE_BY_ONE = ("--part", "serial")

# Exit codes of pytest
PASSED, FAILED, NOTHING_TO_RUN = 0, 1, 5


@dataclass(frozen=True)
class Outcome:
    """How one pytest ended: `counts` by pytest's words, `failed` the tests that did not pass."""

    code: int
    counts: Mapping[str, int]
    failed: Sequence[str]


def parts_of(kinds: Iterable[str]) -> list[tuple[list[str], tuple[str, ...]]]:
    """The kinds of each pytest to run, and its options."""
    chosen = list(kinds)
    parallel = [kind for kind in chosen if kind in SIDE_BY_SIDE]
    serial = [kind for kind in chosen if kind not in SIDE_BY_SIDE or kind in SOME_ALONE]
    return [(part, how) for part, how in ((parallel, IN_PARALLEL), (serial, ONE_BY_ONE)) if part]


def run_pytest(arguments: Sequence[str], environment: Mapping[str, str]) -> Outcome:
    """One pytest. Raises KeyboardInterrupt if that interrupted it, once it has cleared away."""
    with tempfile.TemporaryDirectory() as directory:
        tally = Path(directory) / "tally.json"
        command = [sys.executable, "-m", "pytest", f"--tally={tally}", *arguments]
        code = _run(command, environment)
        told = json.loads(tally.read_text()) if tally.exists() else {"counts": {}, "failed": []}
    return Outcome(code, told["counts"], told["failed"])


def _run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    interrupted = False
    with subprocess.Popen(command, cwd=REPO_DIR, env=dict(environment)) as process:

        def terminate(_number: int, _frame: FrameType | None) -> None:
            process.send_signal(signal.SIGINT)
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGTERM, terminate)
        # A Ctrl-C reaches pytest too, which the terminal sends it to.
        while (code := process.poll()) is None:
            try:
                process.wait()
            except KeyboardInterrupt:
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
