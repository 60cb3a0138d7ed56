"""A policy's inequality with measured numbers in the places of its letters. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .numbers import MINUS, Numbers

_TERMS = (
    (r"(theta|U)_[AB] - (theta|U)_[AB]", "skew"),
    (r"theta_db\(t_B\)", "theta_b"),
    (r"\bdelta\b", "delta"),
    (r"\blag\b", "lag"),
    (r"\bgap\b", "gap"),
    (r"\bleft\b(?!,? when)", "left"),
)
"""how the inequalities of `analysis/explain` write their terms -> the name of the number"""


def with_numbers(
    inequality: str, numbers_ns: Mapping[str, int | None], numbers: Numbers
) -> str:  # fmt: skip
    """`gap < skew` as `629 ms < 800 ms`; a term that was not measured keeps its letters."""
    text = inequality
    for pattern, name in _TERMS:
        value_ns = numbers_ns.get(name)
        if value_ns is not None:
            text = re.sub(pattern, numbers.duration(value_ns, digits=4), text)
    return text.replace(" - ", f" {MINUS} ")
