"""unique: a database constraint decides, and no clock has a say. Never double-books.

So any double booking is unexplained. What it withstood is counted as for timestamp-order
with no stability wait: the orders of claims that would have confused a policy which goes
by stamps.
"""

from __future__ import annotations

from ..claims import Claim
from .base import Explanation, Model, World, every_pair, lacking
from .timestamp_order import WINDOW_WITHOUT_WAIT, opportunity_without_wait

INEQUALITY = "never"


def explain(a: Claim, b: Claim, world: World) -> Explanation:
    """There is nothing to explain it with."""
    return lacking(a, b, INEQUALITY, "unexplained", "a unique row per seat allows no second one")


MODEL = Model(explain, opportunity_without_wait, every_pair, WINDOW_WITHOUT_WAIT)
