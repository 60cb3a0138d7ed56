"""Judging a run directory, offline: evidence in, results.json out. Sixth stage.

results.py       the shape of results.json
judging.py       the story: read this first
phases.py        when each phase was measured       clocks.py   the observer's samples
divergence.py, sync.py                              figures about clocks
attempts.py, claims.py, bookings.py, inversions.py  figures about seats
compact.py, contests.py, thetas.py                  all seats of a phase at once, in parts
orders.py, compared_seats.py                        stamps before and after correction
explain/         one module per policy: its inequality with the measured numbers
deciding.py      what can be told where clocks are only known so well
theory.py, predicting.py   what must happen by theory, beside what did
pooling.py       the trials of a phase as one
findings.py      where the evidence contradicts itself
completeness.py  what is missing
expectations.py, intervals.py, verifying.py
sweep.py, sweep_expectations.py, sweep_results.py   the same for the points of a sweep
"""

from .expectations import check_expectation
from .judging import analyze, judge
from .results import Results
from .sweep import analyze_sweep
from .sweep_expectations import check_sweep_expectation
from .sweep_results import SweepResults
from .verifying import verify

__all__ = [
    "Results",
    "SweepResults",
    "analyze",
    "analyze_sweep",
    "check_expectation",
    "check_sweep_expectation",
    "judge",
    "verify",
]
