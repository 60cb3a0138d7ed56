"""Stamps before and after correction."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from booking.comparison import (
    MEASUREMENT_AGE_NS_MAX,
    ClockErrors,
    Measurement,
    Stamped,
    compare,
    compare_seat,
    summarize,
)

S = 1_000_000_000
T = 1_700_000_000 * S


def claim(claim_id: str, server: str, at_ns: int, error_ns: int = 0, **more: Any) -> Stamped:
    """A claim made `at_ns` after T by a clock that is `error_ns` ahead; raw counts from T."""
    fields = {"seat": "1", "buyer": f"b-{claim_id}", "phase": None, "decision": None} | more
    fields.setdefault("receipt_id", "r" if fields["decision"] == "confirmed" else None)
    return Stamped(claim_id=claim_id, server=server, stamp_ns=T + at_ns + error_ns, raw_ns=at_ns,
                   **fields)  # fmt: skip


def measured(server: str, at_ns: int, error_ns: int | None, **more: Any) -> Measurement:
    fields = {"source": "lab", "bound_ns": None, "reason": None, "raw_ns": at_ns} | more
    return Measurement(server=server, wall_ns=T + at_ns + (error_ns or 0), error_ns=error_ns,
                       **fields)  # fmt: skip


def test_the_story_of_the_founding_document() -> None:
    """A sells at 12:00:00; B, five seconds behind, sells the same seat a second later."""
    a = claim("a", "A", 0, decision="confirmed")
    b = claim("b", "B", S, -5 * S, decision="confirmed")
    truth = [measured("A", 0, 0), measured("B", S, -5 * S)]
    (seat,) = compare([a, b], truth)
    assert seat.order_before == ["b", "a"]
    assert seat.order_after == ["a", "b"]
    assert seat.order_changed
    assert seat.conflict
    late = seat.claims[0]
    assert (late.claim_id, late.clock_error_ns, late.corrected_stamp_ns) == ("b", -5 * S, T + S)
    assert (late.position_before, late.position_after) == (1, 2)
    assert late.corrected_stamp == "2023-11-14T22:13:21.000000000Z"


def test_an_unknown_error_says_so_and_nothing_is_corrected() -> None:
    silent = measured("B", S, None, source="chronyd", reason="chronyd not running")
    (seat,) = compare([claim("a", "A", 0), claim("b", "B", S)], [measured("A", 0, 0), silent])
    a, b = seat.claims
    assert (a.clock_error_ns, a.clock_error_source, a.clock_error_reason) == (0, "lab", None)
    assert (b.clock_error_ns, b.clock_error_reason) == (None, "chronyd not running")
    assert b.ntp == "off"
    assert (seat.order_after, seat.order_changed, a.position_after) == (None, None, None)
    (alone,) = compare([claim("a", "A", 0)], [])
    assert alone.claims[0].clock_error_reason == "no measurement within 3 s of the claim"
    assert alone.claims[0].ntp == "unknown"


def test_ground_truth_goes_before_belief() -> None:
    belief = measured("A", 0, 7, source="chronyd", bound_ns=9)
    errors = ClockErrors([belief, measured("A", 1, 3)])
    (found,) = compare_seat("1", [claim("a", "A", 0)], errors).claims
    assert (found.clock_error_ns, found.clock_error_source, found.ntp) == (3, "lab", "on")
    (found,) = compare_seat("1", [claim("a", "A", 0)], ClockErrors([belief])).claims
    assert (found.clock_error_ns, found.clock_error_bound_ns) == (7, 9)


def test_a_measurement_that_is_too_old_counts_for_nothing() -> None:
    one = claim("a", "A", 0)
    for at_ns, known in ((MEASUREMENT_AGE_NS_MAX, True), (MEASUREMENT_AGE_NS_MAX + 1, False)):
        (found,) = compare_seat("1", [one], ClockErrors([measured("A", at_ns, 5)])).claims
        assert (found.clock_error_ns is not None) == known


def test_after_a_step_the_raw_clock_tells_two_equal_wall_times_apart() -> None:
    """The clock shows T twice: 5 s fast, and after a step back 0 s, five seconds later."""
    before, after = claim("a", "A", -5 * S, 5 * S), claim("b", "A", 0, 0)
    assert before.stamp_ns == after.stamp_ns
    truth = [measured("A", -5 * S, 5 * S), measured("A", 0, 0)]
    (seat,) = compare([after, before], truth)
    assert {c.claim_id: c.clock_error_ns for c in seat.claims} == {"a": 5 * S, "b": 0}
    assert seat.order_after == ["a", "b"]


def test_without_raw_the_wall_clock_has_to_do() -> None:
    truth = measured("A", 5, 2 * S, raw_ns=None)
    (found,) = compare_seat("1", [claim("a", "A", 0, 2 * S)], ClockErrors([truth])).claims
    assert found.clock_error_ns == 2 * S


def test_a_seat_with_two_claims_of_one_buyer_is_no_conflict() -> None:
    twice = [claim(i, "A", 0, decision="confirmed", buyer="b") for i in ("a", "b")]
    (seat,) = compare(twice, [])
    assert not seat.conflict


def test_the_summary_sets_ntp_off_against_ntp_on() -> None:
    off = [claim("a", "A", 0, decision="confirmed", phase="off", seat="1"),
           claim("b", "B", S, -5 * S, decision="confirmed", phase="off", seat="1")]  # fmt: skip
    on = [claim("c", "A", 9 * S, decision="confirmed", phase="on", seat="2"),
          claim("d", "B", 10 * S, decision="rejected", phase="on", seat="2")]  # fmt: skip
    beliefs = [measured(s, at, None, source="chronyd", reason="chronyd not running")
               for s, at in (("A", 0), ("B", S))]  # fmt: skip
    beliefs += [measured(s, at, 0, source="chronyd") for s, at in (("A", 9 * S), ("B", 10 * S))]
    truth = [measured("A", 0, 0), measured("B", S, -5 * S)]
    summary = summarize(compare(off + on, beliefs + truth))

    by_ntp = {count.group: count for count in summary.by_ntp}
    assert (by_ntp["off"].conflicts, by_ntp["on"].conflicts) == (1, 0)
    assert (by_ntp["off"].order_changed, by_ntp["on"].order_changed) == (1, 0)
    assert by_ntp["on"].contested_seats == by_ntp["on"].seats == 1
    assert [c.group for c in summary.by_phase] == ["off", "on"]
    lyon = next(d for d in summary.divergence if (d.server, d.phase) == ("B", "off"))
    assert (lyon.measured, lyon.clock_error_ns_median) == (1, -5 * S)


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(0, 60 * S)), min_size=1, max_size=8,
        unique_by=lambda made: made[1],
    ),
    st.tuples(*[st.integers(-10 * S, 10 * S)] * 3),
)  # fmt: skip
def test_a_true_correction_restores_the_true_order(
    made: list[tuple[str, int]], errors: tuple[int, int, int]
) -> None:
    error = dict(zip("ABC", errors, strict=True))
    claims = [claim(str(i), server, at, error[server]) for i, (server, at) in enumerate(made)]
    truth = [measured(server, at, error[server]) for server, at in made]
    (seat,) = compare(claims, truth)
    assert seat.order_after == [c.claim_id for c in sorted(claims, key=lambda c: c.raw_ns)]
    assert sorted(c.position_after or 0 for c in seat.claims) == list(range(1, len(made) + 1))


# --- what the corrections rest on ---------------------------------------------------------


def believed(server: str, at_ns: int, error_ns: int, bound_ns: int) -> Measurement:
    return measured(server, at_ns, error_ns, source="chronyd", bound_ns=bound_ns)


def test_a_summary_says_when_only_belief_is_known() -> None:
    """On a VPS there is no ground truth."""
    claims = [claim("a", "A", 0), claim("b", "B", S)]
    seats = compare(claims, [believed("A", 0, 0, 1000), believed("B", S, 0, 1000)])
    found = summarize(seats).corrections
    assert (found.basis, found.lab, found.chronyd, found.unknown) == ("chronyd", 0, 2, 0)
    assert "No ground truth" in found.words
    assert seats[0].order_changed is False
    seats = compare(claims, [believed("A", 0, 0, 1000)])
    found = summarize(seats).corrections
    assert (found.basis, found.unknown) == ("chronyd", 1)
    assert "Of 1 claims not even that is known" in found.words


def test_a_summary_says_whether_the_lab_measured_all_some_or_none() -> None:
    claims = [claim("a", "A", 0), claim("b", "B", S)]
    truth, belief = measured("A", 0, 0), believed("B", S, 0, 9)
    assert summarize(compare(claims, [truth, measured("B", S, 0)])).corrections.basis == "lab"
    assert summarize(compare(claims, [truth, belief])).corrections.basis == "mixed"
    assert summarize(compare(claims, [])).corrections.basis == "none"


def test_an_order_is_certain_only_as_far_as_the_bounds_go() -> None:
    claims = [claim("a", "A", 0), claim("b", "B", 5_000)]
    for bound_ns, certain in ((2_000, True), (2_500, False), (900_000, False)):
        beliefs = [believed("A", 0, 0, bound_ns), believed("B", 5_000, 0, bound_ns)]
        (seat,) = compare(claims, beliefs)
        assert seat.order_certain is certain
        (count,) = summarize([seat]).by_ntp
        assert (count.order_uncertain, count.order_unknown) == (int(not certain), 0)
    (seat,) = compare(claims, [measured("A", 0, 0), measured("B", 5_000, 0)])
    assert seat.order_certain is True
    (seat,) = compare(claims, [measured("A", 0, 0)])
    assert seat.order_certain is None


@given(stamps=st.lists(st.tuples(st.integers(0, 100), st.integers(0, 30)), min_size=2, max_size=5))
def test_a_certain_order_is_one_that_no_errors_within_the_bounds_can_change(
    stamps: list[tuple[int, int]],
) -> None:
    claims = [claim(str(i), f"s{i}", at) for i, (at, _) in enumerate(stamps)]
    beliefs = [believed(f"s{i}", at, 0, bound) for i, (at, bound) in enumerate(stamps)]
    (seat,) = compare(claims, beliefs)
    overlapping = any(
        abs(a - b) <= first + second
        for i, (a, first) in enumerate(stamps)
        for b, second in stamps[i + 1 :]
    )
    assert seat.order_certain is not overlapping


def test_a_hybrid_stamp_is_corrected_by_its_wall_clock() -> None:
    """The stamp may be far above the wall clock of the server that made it."""
    ahead = claim("a", "A", 0, error_ns=-5 * S, claimed_wall_ns=T - 5 * S)
    hybrid = replace(ahead, stamp_ns=T + 900 * S)
    (seat,) = compare([hybrid], [measured("A", 0, -5 * S, raw_ns=None)])
    assert seat.claims[0].stamp_ns == T + 900 * S
    assert seat.claims[0].corrected_stamp_ns == T
