"""Whole runs, simulated, judged: verdicts, explanations, damage, and the exact results.json.

`NTPLAB_GOLDEN=write pytest tests/golden/analysis` writes the golden files anew.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ntplab.analysis import Results, analyze, judge, verify
from ntplab.errors import EvidenceError
from ntplab.evidence import RunDirectory, SpoolWriter, seal, write_checksums
from simulated_lab import (
    MS,
    SERVERS,
    START_NS,
    US,
    Request,
    S,
    SimPhase,
    Simulation,
    constant,
    races,
)

HERE = Path(__file__).parent
TRUE = {"paris": constant(0), "lyon": constant(0)}
SLOW = {"paris": constant(0), "lyon": constant(-5 * S)}
NEAR = {"paris": constant(20 * US), "lyon": constant(-15 * US)}
RACES = races(8, 900 * MS)
EXPECT = [
    "phases.control.bookings.double_bookings == 0",
    "phases.control.bookings.opportunities > 0",
    "phases.ntp-off.bookings.double_bookings > 0",
    "phases.ntp-off.bookings.unexplained == 0",
    "phases.ntp-on.bookings.double_bookings == 0",
    "phases.ntp-on.bookings.opportunities > 0",
    "phases.ntp-on.divergence.p99_abs_ns < 200us",
    "phases.ntp-on.sync.seconds_to_1ms <= 10s",
]


def arriving(from_ns: int, after_ns: int) -> Any:
    """A clock 5 s slow that NTP has brought back `after_ns` after `from_ns`."""
    return lambda lab_ns: -5 * S if lab_ns < from_ns + after_ns else 30 * US


def headline(first: str = "paris") -> tuple[SimPhase, ...]:
    """control, NTP off, NTP on: the same races in each. A phase takes 1 + 4 + 1 s."""
    third_ns = START_NS + 12 * S
    steered = {"paris": constant(20 * US), "lyon": arriving(third_ns, 400 * MS)}
    return (
        SimPhase("control", "off", RACES, TRUE, clocks="true"),
        SimPhase("ntp-off", "off", RACES, SLOW, clocks="skewed"),
        SimPhase("ntp-on", "on", RACES, steered),
    )


def finished(run: RunDirectory) -> Results:
    """End a run as run.py does: seal, judge, checksums last."""
    seal(run)
    results = analyze(run.path)
    write_checksums(run)
    return results


def phase(results: Results, name: str) -> Any:
    return next(phase for phase in results.phases if phase.name == name)


def assert_golden(name: str, run: RunDirectory) -> None:
    path = HERE / f"{name}.results.json"
    if os.environ.get("NTPLAB_GOLDEN") == "write":
        path.write_text(run.results.read_text())
    assert run.results.read_text() == path.read_text()


# --- verdicts -----------------------------------------------------------------------------


def test_the_headline_is_met_and_every_double_booking_explained(tmp_path: Path) -> None:
    run = Simulation(tmp_path, expect=EXPECT).play(*headline())
    results = finished(run)
    assert (results.verdict, results.reasons) == ("met", [])
    assert phase(results, "control").bookings.double_bookings == 0
    off = phase(results, "ntp-off")
    assert (off.bookings.double_bookings, off.bookings.unexplained) == (8, 0)
    assert (off.bookings.opportunities, off.bookings.rate, off.bookings.order_inversions) == (
        8,
        1,
        8,
    )
    assert {double.cause for double in off.bookings.double_booking_details} == {"clock-skew"}
    assert off.divergence.pairwise_max_ns == 5 * S
    on = phase(results, "ntp-on")
    assert (on.bookings.double_bookings, on.bookings.opportunities) == (0, 8)
    assert on.sync.seconds_to_1ms == pytest.approx(0.4)
    assert on.divergence.servers["lyon"].p99_abs_ns == 30 * US
    assert verify(run.path) == []
    assert_golden("headline", run)


def test_the_explanation_says_it_in_words_with_the_numbers(tmp_path: Path) -> None:
    run = Simulation(tmp_path).play(SimPhase("ntp-off", "off", RACES[:2], SLOW, clocks="skewed"))
    (double,) = phase(finished(run), "ntp-off").bookings.double_booking_details
    assert double.words == (
        "Seat A-0000: paris (right) stamped b-0's claim 12:00:01.002 (true time 12:00:01.002) and "
        "said yes; lyon, 5.000 s slow, stamped b-1's claim, made 0.900 s later (true time "
        "12:00:01.902), 11:59:56.902, so that it looked the earlier one, and said yes too, because "
        "delta - lag = 0.245 s < gap 0.900 s < skew 5.000 s."
    )
    assert double.pairs[0].numbers_ns == {
        "gap": 900 * MS,
        "skew": 5 * S,
        "delta": 250 * MS,
        "lag": 5 * MS,
    }


def test_without_skew_the_expectation_fails_and_the_verdict_is_violated(tmp_path: Path) -> None:
    expect = ["phases.ntp-off.bookings.double_bookings > 0"]
    run = Simulation(tmp_path, expect=expect, skews={}).play(
        SimPhase("ntp-off", "off", RACES, TRUE, clocks="skewed")
    )
    results = finished(run)
    assert results.verdict == "violated"
    assert results.reasons == ["phases.ntp-off.bookings.double_bookings > 0: observed 0"]
    assert phase(results, "ntp-off").bookings.opportunities == 0


@pytest.mark.parametrize("expected", [[], ["phases.off.bookings.double_bookings == 1"]])
def test_an_unexplained_double_booking_is_violated_whatever_was_expected(
    tmp_path: Path, expected: list[str]
) -> None:
    simulation = Simulation(tmp_path, expect=expected)
    # The policy breaks its own rule: both servers say yes though the clocks are right.
    simulation._by_stamp = lambda phase, claims: [  # type: ignore[method-assign]
        claim.update(decided=claim["claimed"] + 250 * MS, outcome="confirmed") for claim in claims
    ]
    results = finished(simulation.play(SimPhase("off", "off", races(1, 900 * MS), TRUE)))
    assert phase(results, "off").bookings.unexplained == 1
    assert results.verdict == "violated"
    assert "unexplained double bookings: 1" in results.reasons[0]


def test_a_policy_that_never_double_books_explains_nothing(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path, policy="unique")
    simulation._first = lambda phase, claims: [  # type: ignore[method-assign]
        claim.update(decided=claim["claimed"], outcome="confirmed") for claim in claims
    ]
    results = finished(simulation.play(SimPhase("off", "off", races(1, 900 * MS), SLOW)))
    assert results.verdict == "violated"
    assert phase(results, "off").bookings.double_booking_details[0].reason


def test_unique_has_opportunities_and_no_double_booking(tmp_path: Path) -> None:
    run = Simulation(tmp_path, policy="unique").play(SimPhase("off", "off", RACES, SLOW))
    bookings = phase(finished(run), "off").bookings
    assert (bookings.opportunities, bookings.double_bookings, bookings.rate) == (8, 0, 0.0)
    assert bookings.ci95[0] == 0.0
    assert 0.3 < bookings.ci95[1] < 0.35


# --- the window's edges -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("gap_ns", "doubles"),
    [(200 * MS, 0), (240 * MS, 0), (250 * MS, 1), (4900 * MS, 1), (5100 * MS, 0)],
)
def test_timestamp_order_double_books_inside_its_window_only(
    tmp_path: Path, gap_ns: int, doubles: int
) -> None:
    """delta - lag = 245 ms, skew 5 s."""
    duration_ns = 6 * S
    run = Simulation(tmp_path).play(
        SimPhase("off", "off", races(1, gap_ns), SLOW, duration_ns=duration_ns)
    )
    bookings = phase(finished(run), "off").bookings
    assert (bookings.double_bookings, bookings.unexplained) == (doubles, 0)
    assert bookings.opportunities == doubles


def test_slow_replication_double_books_with_true_clocks_and_is_called_that(tmp_path: Path) -> None:
    run = Simulation(tmp_path, skews={}).play(
        SimPhase("off", "off", races(1, 100 * MS), TRUE, lag_ns=400 * MS)
    )
    bookings = phase(finished(run), "off").bookings
    (double,) = bookings.double_booking_details
    assert (double.status, double.cause) == ("explained", "late-replication")
    assert double.pairs[0].numbers_ns == {"gap": 100 * MS, "delta": 250 * MS, "lag": 400 * MS}
    assert (bookings.rate_of, bookings.rate_trials) == ("contested_seats", 1)


def test_a_lease_is_taken_early_by_a_fast_clock(tmp_path: Path) -> None:
    """ttl 2 s; paris, 5 s ahead of lyon, takes lyon's lease after 0.9 s; lyon confirms later."""
    requests = races(3, 900 * MS, first="lyon", confirm_after_ns=1200 * MS)
    run = Simulation(tmp_path, policy="lease").play(SimPhase("off", "off", requests, SLOW))
    bookings = phase(finished(run), "off").bookings
    assert (bookings.double_bookings, bookings.unexplained) == (3, 0)
    assert bookings.opportunities == 3
    numbers = bookings.double_booking_details[0].pairs[0].numbers_ns
    assert (numbers["skew"], numbers["left"]) == (5 * S, 1100 * MS)
    assert numbers["confirmed_after"] == 300 * MS


@pytest.mark.parametrize(
    ("first", "confirm_after_ns", "opportunities"),
    [("lyon", 500 * MS, 0), ("paris", 1200 * MS, 0)],
    ids=["confirmed in time", "the slow clock comes second"],
)
def test_a_lease_is_not_taken(
    tmp_path: Path, first: str, confirm_after_ns: int, opportunities: int
) -> None:
    requests = races(3, 900 * MS, first=first, confirm_after_ns=confirm_after_ns)
    run = Simulation(tmp_path, policy="lease").play(SimPhase("off", "off", requests, SLOW))
    bookings = phase(finished(run), "off").bookings
    assert (bookings.double_bookings, bookings.opportunities) == (0, opportunities)


def test_a_clock_that_steps_back_lets_a_server_undercut_itself(tmp_path: Path) -> None:
    """timestamp-order on one server: the later claim is stamped after a step of -2 s."""
    step_ns = START_NS + 1500 * MS
    stepped = {"paris": lambda t: 0 if t < step_ns else -2 * S, "lyon": constant(0)}
    requests = [Request(0, "A", "b-0", "paris"), Request(900 * MS, "A", "b-1", "paris")]
    run = Simulation(tmp_path).play(SimPhase("off", "off", requests, stepped))
    bookings = phase(finished(run), "off").bookings
    (double,) = bookings.double_booking_details
    assert (double.status, double.cause, double.servers) == ("explained", "clock-skew", ["paris"])
    assert (bookings.contested_seats, bookings.rate) == (0, 1.0)


# --- missing evidence ---------------------------------------------------------------------


def test_a_killed_run_is_unknown_but_its_bookings_are_judged(tmp_path: Path) -> None:
    control, off, _ = headline()
    off.ends = False
    run = Simulation(tmp_path, expect=EXPECT[:3]).play(control, off, ends=False)
    torn = run.evidence / "attempts.jsonl"
    torn.write_bytes(torn.read_bytes()[:-30])
    results = analyze(run.path)
    assert results.verdict == "unknown"
    verdicts = [found.verdict for found in results.expectations]
    assert verdicts == ["met", "met", "unknown"]
    cut = phase(results, "ntp-off")
    assert cut.bookings.double_bookings > 0
    assert cut.bookings.undetermined == cut.bookings.double_bookings
    assert "phase ntp-off was cut short" in cut.evidence.missing
    assert cut.duration_s == pytest.approx(2)
    assert results.notes[0] == "evidence/attempts.jsonl: its last line was cut off and is left out"


@pytest.mark.parametrize(
    ("events", "missing"),
    [
        ("ntp.switched", "lyon: NTP off was not seen in force"),
        ("phase.measuring", "phase off never came to measuring"),
        ("phase.ended", "phase off was cut short"),
    ],
)
def test_an_event_that_is_missing_makes_it_unknown(
    tmp_path: Path, events: str, missing: str
) -> None:
    run = Simulation(tmp_path).play(SimPhase("off", "off", RACES, TRUE))
    path = run.path / "events.jsonl"
    kept = [line for line in path.read_text().splitlines() if events not in line]
    path.write_text("\n".join(kept) + "\n")
    results = finished(run)
    assert results.verdict == "unknown"
    assert missing in phase(results, "off").evidence.missing


def test_a_skew_that_is_not_in_the_clocks_makes_it_unknown(tmp_path: Path) -> None:
    run = Simulation(tmp_path).play(SimPhase("off", "off", RACES, TRUE, clocks="skewed"))
    results = finished(run)
    assert results.verdict == "unknown"
    (missing,) = phase(results, "off").evidence.missing
    assert missing == (
        "lyon: its clock was to be -5000000000 ns off, and was 0 ns off when the load began"
    )


@pytest.mark.parametrize("shown", [False, True])
def test_a_planned_fault_must_be_seen(tmp_path: Path, shown: bool) -> None:
    simulation = Simulation(tmp_path)
    fault = {"node": "lyon", "kind": "step"}
    steps = SimPhase("off", "off", RACES, TRUE, faults=[fault])
    original = simulation._load

    def load(phase: SimPhase, load_ns: int, end_ns: int) -> None:
        original(phase, load_ns, end_ns)
        simulation.event("fault.in_force", phase="off", **fault)

    if shown:
        simulation._load = load  # type: ignore[method-assign]
    results = finished(simulation.play(steps))
    missing = phase(results, "off").evidence.missing
    assert missing == ([] if shown else ["lyon: fault step was not seen in force"])


def test_a_server_that_died_is_reported_and_does_not_make_it_unknown(tmp_path: Path) -> None:
    """Its NTP cannot be switched in the next phase, and nobody expects it to be."""
    control = SimPhase("control", "off", RACES, TRUE)
    off = SimPhase("off", "off", RACES, TRUE)
    run = Simulation(tmp_path).play(control, off)
    path = run.path / "events.jsonl"
    lines = path.read_text().splitlines()
    died = {"lab_ns": START_NS + 3 * S, "event": "node.died", "node": "lyon", "exit_code": 137}
    lines = [x for x in lines if '"lyon"' not in x or '"control"' in x]
    path.write_text("\n".join([*lines[:4], json.dumps(died), *lines[4:]]) + "\n")
    results = finished(run)
    assert (results.verdict, results.reasons) == ("met", [])
    assert results.notes == ["lyon died (exit code 137)"]
    assert [p.evidence.servers_down for p in results.phases] == [["lyon"], ["lyon"]]


def test_ntp_switched_on_as_a_fault_is_timed_from_then(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path)
    fault = {"node": "lyon", "kind": "ntp-on"}
    back = {"paris": constant(0), "lyon": arriving(START_NS + 2 * S, 700 * MS)}
    original = simulation._load

    def load(phase: SimPhase, load_ns: int, end_ns: int) -> None:
        original(phase, load_ns, end_ns)
        simulation.now_ns = START_NS + 2 * S
        simulation.event("fault.in_force", phase="off", **fault)

    simulation._load = load  # type: ignore[method-assign]
    run = simulation.play(SimPhase("off", "off", RACES, back, clocks="skewed", faults=[fault]))
    off = phase(finished(run), "off")
    assert off.evidence.missing == []
    assert off.sync.servers["lyon"].seconds_to_1ms == pytest.approx(0.7)
    assert (off.sync.servers["paris"].measured, off.sync.seconds_to_1ms) == (False, 0.7)


def test_a_gap_in_sampling_is_unknown(tmp_path: Path) -> None:
    run = Simulation(tmp_path).play(SimPhase("off", "off", RACES, TRUE))
    path = run.evidence / "clock.jsonl"
    hole = range(START_NS + 2 * S, START_NS + 4 * S)
    kept = [row for row in path.read_text().splitlines() if json.loads(row)["lab_ns"] not in hole]
    path.write_text("\n".join(kept) + "\n")
    off = phase(finished(run), "off")
    assert off.evidence.missing == ["the clocks were not sampled for 2.0 s"]
    assert (off.evidence.sampling_gaps, off.evidence.longest_gap_ns) == (1, 2 * S + 50 * MS)


def test_a_run_without_any_evidence_is_unknown(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path)
    simulation.run.write_manifest(simulation.manifest)
    results = analyze(simulation.run.path)
    assert results.verdict == "unknown"
    assert "clock: no such table was recorded" in results.notes


# --- findings -----------------------------------------------------------------------------


def test_receipts_and_records_that_do_not_meet_are_findings(tmp_path: Path) -> None:
    run = Simulation(tmp_path).play(SimPhase("off", "off", RACES, TRUE))
    path = run.evidence / "reservations.jsonl"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first.replace('"r-off-b-0"', '"r-forged"'), *rest]) + "\n")
    bookings = phase(finished(run), "off").bookings
    kinds = {finding.kind: finding.examples for finding in bookings.findings}
    assert kinds == {
        "receipt-without-record": ["r-off-b-0 A-0000 b-0 paris"],
        "record-without-receipt": ["r-forged A-0000 b-0 paris"],
    }
    assert (bookings.receipts_without_record, bookings.records_without_receipt) == (1, 1)


def test_a_stamp_that_is_not_what_the_clock_showed_is_a_finding(tmp_path: Path) -> None:
    simulation = Simulation(tmp_path)
    original = simulation._claim

    def lying(phase: SimPhase, request: Request, load_ns: int) -> dict[str, Any]:
        claim = original(phase, request, load_ns)
        return {**claim, "stamp": claim["stamp"] + (2 * MS if request.buyer == "b-3" else 0)}

    simulation._claim = lying  # type: ignore[method-assign]
    bookings = phase(finished(simulation.play(SimPhase("off", "off", RACES, TRUE))), "off").bookings
    (finding,) = bookings.findings
    assert (finding.kind, finding.examples) == (
        "stamp-disagrees-with-clock",
        ["off-b-3 (lyon): 2000000 ns"],
    )


# --- verify -------------------------------------------------------------------------------


def test_judging_twice_gives_the_same_bytes_sealed_or_not(tmp_path: Path) -> None:
    run = Simulation(tmp_path, expect=EXPECT).play(*headline())
    spooled = judge(run).to_json()
    seal(run)
    assert judge(run).to_json() == spooled
    assert judge(run).to_json() == spooled


EVIDENCE_FILES = ["attempts.parquet", "belief.parquet", "clock.parquet", "claims.parquet"]


@pytest.mark.parametrize("name", [*EVIDENCE_FILES, "reservations.parquet"])
@pytest.mark.parametrize("where", [0.1, 0.5, 0.9])
def test_one_changed_byte_is_found_and_its_file_named(
    tmp_path: Path, name: str, where: float
) -> None:
    run = Simulation(tmp_path).play(SimPhase("on", "on", RACES, NEAR))
    finished(run)
    path = run.evidence / name
    content = bytearray(path.read_bytes())
    content[int(len(content) * where)] ^= 1
    path.write_bytes(content)
    assert f"evidence/{name}: changed since the run (its SHA-256 differs)" in verify(run.path)


def test_figures_that_were_touched_up_are_computed_again(tmp_path: Path) -> None:
    run = Simulation(tmp_path).play(SimPhase("off", "off", RACES, SLOW))
    finished(run)
    text = run.results.read_text()
    # Checksums and all: whoever can write results.json can write SHA256SUMS.
    run.write_derived("results.json", text.replace('"double_bookings": 8', '"double_bookings": 1'))
    assert verify(run.path) == [
        "results.json: phases.off.bookings.double_bookings says 1, computed again 8"
    ]


def test_evidence_that_was_swapped_and_signed_anew_disagrees_with_the_results(
    tmp_path: Path,
) -> None:
    run = Simulation(tmp_path).play(SimPhase("off", "off", RACES, SLOW))
    finished(run)
    (run.evidence / "attempts.parquet").unlink()
    with SpoolWriter(run) as spool:
        spool.append("attempts", [])
    write_checksums(run)
    problems = verify(run.path)
    assert any("phases.off.bookings.attempts says 16, computed again 0" in p for p in problems)


def test_verify_of_a_run_that_was_never_judged(tmp_path: Path) -> None:
    run = Simulation(tmp_path).play(SimPhase("off", "off", RACES, TRUE))
    assert [problem.split(":")[0] for problem in verify(run.path)] == [
        "SHA256SUMS is missing",
        "results.json",
    ]


def test_analyze_of_no_run_is_an_evidence_error(tmp_path: Path) -> None:
    with pytest.raises(EvidenceError, match="no such run directory"):
        analyze(tmp_path / "nowhere")


def test_the_lease_run_is_as_it_was(tmp_path: Path) -> None:
    requests = races(3, 900 * MS, first="lyon", confirm_after_ns=1200 * MS)
    run = Simulation(tmp_path, policy="lease").play(
        SimPhase("ntp-off", "off", requests, SLOW, clocks="skewed"),
        SimPhase("ntp-on", "on", requests, NEAR),
    )
    finished(run)
    assert_golden("lease", run)
    assert set(SERVERS) == set(phase(judge(run), "ntp-on").sync.servers)
