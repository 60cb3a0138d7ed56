"""`bench`: the benchmarks, each a ratio of two things measured in one run."""

from __future__ import annotations


def bench() -> None:
    """Run the benchmarks."""
