"""When clocks count as settled, by looks at them that are told beforehand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.errors import FaultError
from ntplab.plan import SettlePlan
from ntplab.settling import SETTLED_FOR_NS, Worst, wait_settled

LIMIT_NS = 1_000_000
TICK_NS = 100_000_000
AT_ONCE = SettlePlan(LIMIT_NS, 0)
IN_AN_HOUR = SettlePlan(LIMIT_NS, 3600 * SETTLED_FOR_NS)


def settled(offs_ns: list[int], settle: SettlePlan = IN_AN_HOUR) -> tuple[int, Worst]:
    """A look at every tick; after the last one the clocks stay."""
    looks = iter(enumerate(offs_ns))
    last = [0, 0]

    def look() -> Worst:
        last[0], last[1] = next(looks, (last[0] + 1, last[1]))
        return Worst(last[1], "lyon", last[0] * TICK_NS)

    return wait_settled("ntp-on", settle, look, lambda: None, "hint")


@given(st.lists(st.integers(0, 2 * LIMIT_NS), max_size=40))
def test_settled_since_the_last_time_that_a_clock_was_beyond_the_limit(offs_ns: list[int]) -> None:
    offs_ns = [*offs_ns, 0]
    since_ns, worst = settled(offs_ns)
    seen_ns = worst.lab_ns
    assert seen_ns - since_ns == SETTLED_FOR_NS
    within = range(since_ns // TICK_NS, min(seen_ns // TICK_NS + 1, len(offs_ns)))
    assert all(offs_ns[tick] <= LIMIT_NS for tick in within)
    before = since_ns // TICK_NS - 1
    assert before < 0 or offs_ns[before] > LIMIT_NS


def test_crossing_zero_is_not_settling() -> None:
    since_ns, _ = settled([9 * LIMIT_NS, 0, 9 * LIMIT_NS, LIMIT_NS])
    assert since_ns == 3 * TICK_NS


def test_who_does_not_settle_is_named_with_the_phase() -> None:
    words = r"phase ntp-on: lyon is still 2ms from true time 0s after NTP .*; the limit is 1ms"
    with pytest.raises(FaultError, match=words) as raised:
        settled([2 * LIMIT_NS], AT_ONCE)
    assert raised.value.hint == "hint"
