"""Judging a run directory, offline: evidence in, results.json out. Sixth stage."""

from .expectations import check_expectation
from .results import Results

__all__ = ["Results", "check_expectation"]
