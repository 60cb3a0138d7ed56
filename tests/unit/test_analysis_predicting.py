"""Theory held beside measurement: what is counted, and when the two are said to disagree."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import replace

from ntplab.analysis.claims import Claim
from ntplab.analysis.clocks import ClockSeries
from ntplab.analysis.explain import World
from ntplab.analysis.predicting import Tally, offer_of

MS, S = 1_000_000, 1_000_000_000
T_NS = 1000 * S
SLOW_NS = -5 * S


def world(holders: bool = False, **params: int) -> World:
    times = range(T_NS - 10 * S, T_NS + 10 * S, S // 20)
    clocks = {
        name: ClockSeries(array("q", times), array("q", [theta_ns] * len(times)))
        for name, theta_ns in (("paris", 0), ("lyon", SLOW_NS))
    }
    return World(clocks, frozenset(clocks if holders else ()), 1_000, True, params)


def race(seat: int, gap_ns: int, twice: bool) -> list[Claim]:
    """Paris first, lyon (slow) `gap_ns` later; `twice`: what really became of it."""
    first = Claim(f"a{seat}", f"s{seat}", f"x{seat}", "paris", True, "r", f"c{seat}", T_NS,
                  stamp_ns=T_NS, claimed_ns=T_NS, decided_ns=T_NS + S)  # fmt: skip
    second = replace(
        first, buyer=f"y{seat}", server="lyon", holds_receipt=twice,
        claimed_ns=T_NS + gap_ns, stamp_ns=T_NS + gap_ns + SLOW_NS,
    )  # fmt: skip
    return [first, second]


def tally(races: Sequence[list[Claim]], lags_ns: Sequence[int] = (5 * MS,)) -> Tally:
    return Tally("timestamp-order", world(stability_ns=S), lags_ns).add_all(races)


def test_what_happens_as_theory_says_agrees() -> None:
    found = tally([race(n, (n % 4) * S + S // 2, n % 4 > 0) for n in range(40)]).result()
    assert found is not None
    assert (found.expected, found.observed, found.seats) == (30.0, 30, 40)
    assert (found.disagreements, found.surprises, found.left_out) == (0, 0, 0)
    assert found.numbers_ns["skew_max"] == 5 * S
    assert found.numbers_ns["lag_median"] == 5 * MS
    assert found.numbers_ns["stability"] == S


def test_what_does_not_is_flagged_with_the_seats() -> None:
    found = tally([race(n, 2 * S, False) for n in range(40)]).result()
    assert found is not None
    assert (found.rate, found.observed) == (1.0, 0)
    assert (found.disagreements, found.surprises) == (1, 40)


def test_a_few_seats_that_differ_are_surprises_but_no_disagreement() -> None:
    found = tally([race(n, S // 2 if n % 2 else 2 * S, n % 2 == 0 or n == 7) for n in range(40)])
    result = found.result()
    assert result is not None
    assert (result.surprises, result.disagreements) == (1, 0)
    assert result.ci95[0] < result.rate < result.ci95[1]


def test_an_unknown_delay_gives_a_probability() -> None:
    gap_ns = S - 50 * MS  # sold twice only if news takes longer than 50 ms
    found = tally([race(1, gap_ns, True)], [10 * MS, 40 * MS, 60 * MS, 90 * MS]).result()
    assert found is not None
    assert found.expected == 0.5
    assert found.surprises == 0


def test_a_measured_delay_makes_it_certain() -> None:
    first, second = race(1, S - 50 * MS, True)
    late = replace(second, received_ns={"paris": second.time_ns + 60 * MS})
    found = tally([[first, late]], [10 * MS]).result()
    assert found is not None
    assert found.expected == 1.0


def test_a_message_that_never_came_is_no_unknown_delay() -> None:
    claims = race(1, S - 50 * MS, True)  # within the wait of 1 s: news of 5 ms would be in time
    lists = Tally("timestamp-order", world(holders=True, stability_ns=S), [5 * MS])
    found = lists.add_all([claims]).result()
    assert found is not None
    assert (found.expected, found.surprises) == (1, 0)


def test_the_outcome_does_not_enter_the_prediction() -> None:
    yes = tally([race(n, n * S, True) for n in range(8)]).result()
    no = tally([race(n, n * S, False) for n in range(8)]).result()
    assert yes is not None
    assert no is not None
    assert yes.expected == no.expected
    for claim in race(1, S, True):
        assert offer_of(claim) == offer_of(replace(claim, holds_receipt=False, receipt_id=None))


def test_a_wait_that_came_out_longer_counts_and_a_shorter_one_does_not() -> None:
    def sold_twice(waited_ns: int) -> float:
        first, second = race(1, 2 * S, True)
        found = tally([[replace(first, decided_ns=T_NS + waited_ns), second]]).result()
        assert found is not None
        return found.expected

    # The second claim comes after 2 s and takes 5 ms to the server of the first.
    assert sold_twice(S + 900 * MS) == 1
    assert sold_twice(2 * S + 10 * MS) == 0
    late, early = race(2, S - 50 * MS, True)  # within the wait of 1 s: must not be sold twice
    hasty = tally([[replace(late, decided_ns=T_NS + S // 2), early]]).result()
    assert hasty is not None
    assert (hasty.expected, hasty.surprises, hasty.disagreements) == (0, 1, 1)


def test_seats_whose_clocks_were_not_sampled_are_left_out_and_counted() -> None:
    races = [race(1, S, True), race(2, 60 * S, True)]
    found = tally(races).result()
    assert found is not None
    assert (found.seats, found.left_out) == (1, 1)


def test_claims_that_no_server_has_on_record_are_no_offers() -> None:
    first, second = race(1, 2 * S, False)
    refused = replace(second, claim_id=None, claimed_ns=None)  # a 503, for one
    found = tally([[first, refused]]).result()
    assert found is not None
    assert found.expected == 0


def test_nothing_to_play_gives_no_prediction() -> None:
    assert tally([]).result() is None
    unknown = Tally("luck", world(), ()).add_all([race(1, S, True)])
    assert unknown.result() is None
    assert unknown.left_out == 1
