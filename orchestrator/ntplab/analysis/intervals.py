"""Rates with their uncertainty: zero of forty is not zero."""

from __future__ import annotations

from math import sqrt

Z_95 = 1.959963984540054
"""the 97.5 % point of the standard normal distribution"""


def wilson(successes: int, trials: int, z: float = Z_95) -> tuple[float, float]:
    """The Wilson score interval of a proportion; (0, 1) when nothing was tried.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference",
    Journal of the American Statistical Association 22 (1927) 209-212. Unlike the interval
    of Wald it is sound for few trials and for proportions of 0 and 1. Raises ValueError
    unless 0 <= successes <= trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} of {trials} is no proportion")
    if trials == 0:
        return 0.0, 1.0
    share, z2 = successes / trials, z * z
    middle = share + z2 / (2 * trials)
    spread = z * sqrt(share * (1 - share) / trials + z2 / (4 * trials * trials))
    scale = 1 + z2 / trials
    # At the ends the exact bounds are 0 and 1; rounding would miss them by 1e-17.
    low = 0.0 if successes == 0 else (middle - spread) / scale
    high = 1.0 if successes == trials else (middle + spread) / scale
    return low, high
