"""How fast the train's protocol is checked: states per second of the breadth-first search.

`train.checking` runs as it does by hand, in a process of its own: it is standard library only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator

from ..errors import LabError
from ..paths import IMAGES_DIR
from .figures import Outcome, compare
from .measuring import Bench

STATES = "model_checking"
ABOUT = {STATES: "states per second of checking every order of the train protocol's events"}
CHECKED = "confirmed-two-tickets"
"""Exhaustive, and large enough to be measured: some 30,000 states."""
ENOUGH_PER_S = 1_000
"""A few ten thousand states in under a minute."""
RUNS = 3
RUN_LIMIT_S = 300


def measure(bench: Bench) -> Iterator[Outcome]:
    """States per second of office and clients, against what a minute has to suffice for."""
    found = []
    for number in range(RUNS):
        bench.tell(STATES, f"run {number + 1} of {RUNS}")
        found.append(states_per_second())
    limits = [float(ENOUGH_PER_S)] * RUNS
    yield compare(STATES, found, limits, "a minute's worth", "states/s", 1.0, "higher")


def states_per_second() -> float:
    """Of one run of `CHECKED`. Raises `LabError` when it fails."""
    done = subprocess.run(
        [sys.executable, "-m", "train.checking", "--json", f"--only={CHECKED}"],
        env={**os.environ, "PYTHONPATH": str(IMAGES_DIR / "train")},
        capture_output=True, text=True, timeout=RUN_LIMIT_S, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise LabError(f"train.checking failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return float(json.loads(done.stdout)["states_per_second"])
