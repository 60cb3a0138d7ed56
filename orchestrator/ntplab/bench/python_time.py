"""What `time.time()` costs: run as a program of its own, natively and under a preload.

    python_time.py CALLS        the readings per round; prints JSON

The figure is that of the fastest tenth of the rounds, as in `vclockbench`.
"""

import json
import sys
import time
from itertools import repeat

ROUNDS = 401


def measure(calls: int) -> float:
    """Nanoseconds per call of `time.time()`, the loop around it included."""
    return sorted(one_round(calls) for _ in range(ROUNDS))[ROUNDS // 10]


def one_round(calls: int) -> float:
    """Nanoseconds per call; timed by a clock that no preload of ours changes."""
    read = time.time
    begin = time.perf_counter_ns()
    for _ in repeat(None, calls):
        read()
    return (time.perf_counter_ns() - begin) / calls


if __name__ == "__main__":
    calls = int(sys.argv[1])
    print(json.dumps({"realtime_ns": measure(calls), "rounds": ROUNDS, "calls": calls}))
