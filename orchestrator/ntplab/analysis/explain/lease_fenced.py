"""lease-fenced: a lease whose token the confirmation must still match. Never double-books.

So any double booking is unexplained. What it withstood is counted as for lease: the claims
that would have sold the seat twice without the token.
"""

from __future__ import annotations

from ..claims import Claim
from .base import Explanation, Model, World, lacking, neighbours
from .lease import WINDOW, opportunity

INEQUALITY = "never"


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """There is nothing to explain it with."""
    what = "a fencing token admits one confirmation"
    return lacking(a, b, INEQUALITY, "unexplained", what)


MODEL = Model(explain, opportunity, neighbours, WINDOW)
