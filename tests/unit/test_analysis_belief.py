"""chronyd's belief against the truth, and stamps before and after correction."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.analysis import judge
from ntplab.analysis.compared_seats import compare_seats
from ntplab.analysis.orders import _orders
from ntplab.evidence import RunDirectory, SpoolWriter
from simulated_lab import MS, START_NS, S, SimPhase, Simulation, constant, races

# --- belief against truth ------------------------------------------------------------------


def believing(
    path: Path, beliefs: Sequence[tuple[str, int, int, int, int]], leap: str
) -> RunDirectory:
    """paris 900 us off, lyon right; reports as (server, s after the load, offset, delay,
    dispersion)."""
    clocks = {"paris": constant(900_000), "lyon": constant(0)}
    run = Simulation(path).play(SimPhase("only", "keep", [], clocks))
    with SpoolWriter(run) as spool:
        spool.append(
            "belief",
            [
                {
                    "lab_ns": START_NS + S + after_s * S,
                    "node": server,
                    "state": "ok",
                    "offset_ns": offset_ns,
                    "root_delay_ns": delay_ns,
                    "root_dispersion_ns": dispersion_ns,
                    "leap": leap,
                }
                for server, after_s, offset_ns, delay_ns, dispersion_ns in beliefs
            ],
        )
    return run


def test_a_bound_that_is_exceeded_is_reported_with_its_sample(tmp_path: Path) -> None:
    """|offset| + root dispersion + root delay / 2 against 900 us, one nanosecond to either side."""
    reports = [
        ("paris", 1, -100_000, 600_000, 500_000),  # 900 000: covers
        ("paris", 2, 100_000, 600_000, 499_999),  # 899 999: does not
        ("paris", 3, 0, 40_000, 20_000),  # 40 000: by far not
        ("lyon", 1, 5, 0, 0),
    ]
    (phase,) = judge(believing(tmp_path, reports, "Normal")).phases
    sync = phase.sync
    assert (sync.beliefs, sync.bound_exceeded, sync.bound_coverage) == (4, 2, 0.5)
    paris, lyon = sync.servers["paris"], sync.servers["lyon"]
    assert (paris.beliefs, paris.bound_exceeded) == (3, 2)
    assert paris.bound_coverage == pytest.approx(1 / 3)
    assert (lyon.bound_coverage, lyon.bound_exceeded, lyon.bound_p99_ns) == (1.0, 0, 5)
    told = [(e.server, e.lab_ns - START_NS - S, e.bound_ns) for e in sync.exceeded_details]
    assert told == [("paris", 3 * S, 40_000), ("paris", 2 * S, 899_999)]
    worst = sync.exceeded_details[0]
    assert (worst.offset_ns, worst.divergence_ns, worst.divergence_error_ns) == (0, 900_000, 1_000)


def test_a_daemon_that_says_it_has_no_time_promises_nothing(tmp_path: Path) -> None:
    (phase,) = judge(believing(tmp_path, [("paris", 1, 0, 0, 0)], "Not synchronised")).phases
    assert (phase.sync.beliefs, phase.sync.bound_coverage, phase.sync.bound_exceeded) == (
        0,
        None,
        0,
    )


def test_only_the_worst_exceeded_bounds_are_told(tmp_path: Path) -> None:
    reports = [("paris", 1 + number % 3, 0, 0, number) for number in range(30)]
    (phase,) = judge(believing(tmp_path, reports, "Normal")).phases
    assert phase.sync.bound_exceeded == 30
    assert [e.bound_ns for e in phase.sync.exceeded_details] == list(range(10))


# --- stamps before and after correction -----------------------------------------------------


def test_the_correction_puts_right_what_wrong_clocks_confused(tmp_path: Path) -> None:
    """NTP off: the stamps are inverted, the truth rights them, chronyd knows of nothing. NTP on:
    nothing to correct, and belief is enough."""
    slow = {"paris": constant(0), "lyon": constant(-5 * S)}
    true = {"paris": constant(0), "lyon": constant(0)}
    run = Simulation(tmp_path).play(
        SimPhase("ntp-off", "off", races(6, 900 * MS), slow, clocks="skewed"),
        SimPhase("ntp-on", "on", races(6, 900 * MS), true),
    )
    off, on = (phase.comparison for phase in judge(run).phases)
    truth = off.by_truth
    assert (truth.seats, truth.claims, truth.uncorrected, truth.order_unknown) == (6, 12, 0, 0)
    assert (truth.wrong_before, truth.order_changed, truth.wrong_after) == (6, 6, 0)
    belief = off.by_belief
    assert (belief.order_unknown, belief.uncorrected, belief.order_changed) == (6, 12, 0)
    for orders in (on.by_truth, on.by_belief):
        assert (orders.seats, orders.order_unknown) == (6, 0)
        assert (orders.wrong_before, orders.order_changed, orders.wrong_after) == (0, 0, 0)


def test_belief_that_is_wrong_corrects_wrongly_and_only_the_truth_tells(tmp_path: Path) -> None:
    """The simulated chronyd believes in half of the true offset: that is not enough here."""
    half = {"paris": constant(0), "lyon": constant(-5 * S)}
    run = Simulation(tmp_path).play(SimPhase("on", "on", races(6, 900 * MS), half))
    comparison = judge(run).phases[0].comparison
    assert (comparison.by_belief.order_unknown, comparison.by_belief.wrong_after) == (0, 6)
    assert (comparison.by_truth.wrong_before, comparison.by_truth.wrong_after) == (6, 0)


def test_seats_are_told_claim_by_claim_by_the_best_that_is_known(tmp_path: Path) -> None:
    slow = {"paris": constant(0), "lyon": constant(-5 * S)}
    run = Simulation(tmp_path).play(
        SimPhase("off", "off", races(3, 900 * MS), slow, clocks="skewed")
    )
    results = judge(run)
    told = compare_seats(run, results, 2)
    assert [seat.seat for seat in told] == ["A-0000", "A-0001"]
    late, early = told[0].claims
    assert (late.server, late.error_ns, late.place_before, late.place_after) == (
        "lyon",
        -5 * S,
        1,
        2,
    )
    assert late.corrected_stamp_ns == late.stamp_ns + 5 * S
    assert (early.server, early.error_ns, early.corrected_by) == ("paris", 0, "truth")
    assert told[0].order_changed is True
    (named,) = compare_seats(run, results, 2, ["A-0002"])
    assert named.seat == "A-0002"
    # Without the observer's samples nothing is known of clocks that no chronyd watched.
    (run.evidence / "clock.jsonl").unlink()
    (blind, *_) = compare_seats(run, results, 1)
    assert [claim.corrected_by for claim in blind.claims] == ["nothing", "nothing"]
    assert (blind.order_changed, blind.claims[0].place_after) == (None, None)


@given(stamps=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40)), min_size=1, max_size=20))
def test_a_changed_order_is_what_sorting_again_shows(stamps: list[tuple[int, int]]) -> None:
    """Counted by column; here by sorting each seat's claims."""
    frame = pl.DataFrame(
        {
            "seat": [seat for seat, _ in stamps],
            "server": [0] * len(stamps),
            "stamp_ns": list(range(len(stamps))),
            "wall_ns": list(range(len(stamps))),
            "logical": [0] * len(stamps),
            "claimed_ns": [0] * len(stamps),
            "theta_ns": [i - after for i, (_, after) in enumerate(stamps)],
        }
    )
    expected = sum(
        own != sorted(own)
        for seat in {seat for seat, _ in stamps}
        if (own := [after for where, after in stamps if where == seat])
    )
    assert _orders(frame, "theta_ns").order_changed == expected
