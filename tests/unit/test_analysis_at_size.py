"""Judging by column against judging row by row, on random evidence; and evidence of some size."""

from __future__ import annotations

import random
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ntplab.analysis import analyze, judge, verify
from ntplab.analysis import bookings as judging
from ntplab.analysis.clocks import GAP_NS_MAX, ClockSeries, load_clocks, to_series
from ntplab.analysis.compact import codes_of
from ntplab.analysis.contests import _injected_theta
from ntplab.analysis.divergence import _pairwise
from ntplab.analysis.explain import MODELS, Injected
from ntplab.analysis.inversions import inversions, inverted_pairs
from ntplab.analysis.phases import phase_spans
from ntplab.analysis.results import Bookings
from ntplab.analysis.thetas import thetas_at
from ntplab.bench.evidence_made import Size, make_run
from ntplab.bench.plain import figures
from ntplab.errors import EvidenceError
from ntplab.evidence import (
    Evidence,
    ManifestNode,
    RunDirectory,
    Skew,
    SpoolWriter,
    seal,
    write_checksums,
)
from simulated_lab import MS, START_NS, S, SimPhase, Simulation, constant

SERVERS = ("paris", "lyon", "nowhere")
PHASES = ("one", "two")
CLEAN = settings(deadline=None, suppress_health_check=list(HealthCheck))


def random_run(path: Path, seed: int, policy: str, sealed: bool) -> RunDirectory:
    """Evidence with everything that can be wrong with it: rows without counterpart, without an
    answer, twice, at the same instant, with stamps that no clock showed."""
    draw = random.Random(seed)
    lag_ns = draw.choice([5 * MS, 300 * MS])
    thetas = {"paris": constant(draw.choice([0, 2 * S])), "lyon": constant(-draw.randrange(6) * S)}
    phases = [SimPhase(name, "off", [], thetas, lag_ns=lag_ns) for name in PHASES]
    skews = {"lyon": Skew(offset_ns=-draw.randrange(6) * S, drift_ppm=draw.uniform(-90, 90))}
    database = {"db": Skew(drift_ppm=draw.choice([0.0, 4e5]))}
    nodes = [
        ManifestNode(
            name=name, kind="server", uptime_s=draw.choice([0, 1, 900]), time_namespace=True
        )
        for name in SERVERS[:2]
    ]
    run = Simulation(path, policy=policy, skews=skews | database, nodes=nodes).play(*phases)
    with SpoolWriter(run) as spool:
        for number, phase in enumerate(PHASES):
            load_ns = START_NS + number * 6 * S + S
            for index in range(draw.randrange(40)):
                _claim(spool, draw, phase, f"{phase}-{index}", load_ns, policy)
    if sealed:
        seal(run)
    return run


def _claim(
    spool: SpoolWriter, draw: random.Random, phase: str, name: str, load_ns: int, policy: str
) -> None:
    sent_ns = load_ns + draw.randrange(30) * 100 * MS
    claimed_ns = sent_ns + draw.choice([0, 100]) * MS
    server = draw.choice(SERVERS)
    outcome = draw.choice(["confirmed", "confirmed", "held", "rejected", "error", None])
    confirm = (
        draw.choice(["confirmed", "rejected", "no-answer", None]) if outcome == "held" else None
    )
    receipt = f"r-{name}" if draw.random() < 0.8 else None
    seat, buyer = draw.choice("ABCDEF"), draw.choice(["x", "y", "z"])
    stamp_ns = claimed_ns + draw.choice([0, -5 * S, 3 * S, 700])
    row: dict[str, Any] = {
        "attempt_id": f"a-{draw.randrange(100):03}-{name}",
        "phase": phase,
        "buyer": buyer,
        "seat": seat,
        "server": server,
        "due_ns": sent_ns,
        "sent_ns": sent_ns,
        "answered_ns": draw.choice([None, claimed_ns + draw.randrange(S)]),
        "outcome": outcome,
        "receipt_id": receipt,
        "claim_id": draw.choice([name, name, name, None]),
        "stamp_ns": draw.choice([None, stamp_ns]),
    }
    row["confirm_delay_ns"] = draw.choice([None, 0, S])
    if confirm:
        row["confirm"] = {"outcome": confirm, "sent_ns": claimed_ns + draw.randrange(20) * 100 * MS}
    spool.append("attempts", [row] * draw.choice([1, 1, 1, 0, 2]))
    record = {
        **{key: row[key] for key in ("phase", "buyer", "seat", "server")},
        "claim_id": name,
        "receipt_id": receipt,
        "policy": policy,
        "stamp_ns": stamp_ns,
        "claimed_lab_ns": draw.choice([claimed_ns, claimed_ns, None]),
        "decision": confirm or outcome or "rejected",
        "decided_lab_ns": claimed_ns + draw.choice([0, 250, 800]) * MS,
    }
    if policy == "hybrid-logical":
        record |= {"claimed_wall_ns": stamp_ns, "stamp_ns": stamp_ns + draw.choice([0, 0, 9 * S])}
        record |= {"logical": draw.randrange(3)}
    if policy == "commit-wait":
        record |= {"bound_ns": draw.randrange(S), "peers_bound_ns": draw.choice([None, S])}
    if policy.startswith("lease") and draw.random() < 0.8:
        record |= {"hold_granted_ns": stamp_ns, "hold_expires_ns": stamp_ns + 2 * S}
        record |= {"ttl_ns": draw.choice([None, 2 * S]), "judged_ns": stamp_ns + S}
    spool.append("reservations", [record] * draw.choice([1, 1, 1, 0]))
    for holder in SERVERS[:2]:
        lag_ns = 0 if holder == server else draw.choice([5 * MS, 600 * MS])
        claim = {key: record[key] for key in ("phase", "buyer", "seat", "claim_id", "stamp_ns")}
        claim |= {"origin": server, "holder_server": holder, "claimed_lab_ns": claimed_ns}
        spool.append("claims", [claim | {"received_lab_ns": claimed_ns + lag_ns}])


def by_column(found: Bookings) -> dict[str, Any]:
    """What `plain.figures` gives, from the results."""
    plain = found.model_dump()
    plain["findings"] = [(f["kind"], f["count"], f["examples"]) for f in plain["findings"]]
    return plain


@given(
    seed=st.integers(0, 2**32),
    policy=st.sampled_from(sorted(MODELS)),
    sealed=st.booleans(),
    part_rows=st.sampled_from([3, 1000]),
)
@settings(CLEAN, max_examples=15)
def test_both_ways_give_the_same_figures(
    tmp_path_factory: pytest.TempPathFactory, seed: int, policy: str, sealed: bool, part_rows: int
) -> None:
    run = random_run(tmp_path_factory.mktemp("run"), seed, policy, sealed)
    with pytest.MonkeyPatch.context() as patch, Evidence(run) as evidence:
        patch.setattr("ntplab.analysis.compact.PART_ROWS", part_rows)
        patch.setattr("ntplab.analysis.inversions.PART_ROWS", part_rows)
        patch.setattr("ntplab.analysis.inversions.FEW", 3)
        patch.setattr(judging, "SEATS_AT_ONCE", 2)
        manifest, events, clocks = evidence.manifest(), evidence.events(), load_clocks(evidence)
        found = {phase.name: by_column(phase.bookings) for phase in judge(run).phases}
        for span in phase_spans(manifest, events, None):
            expected = figures(evidence, manifest, clocks, span, events)
            shown = {key: found[span.name][key] for key in expected}
            assert shown == expected


def test_random_evidence_is_worth_comparing(tmp_path: Path) -> None:
    """The property above says something only if every figure it compares is not always zero."""
    wanted = {
        "opportunities",
        "double_bookings",
        "unexplained",
        "undetermined",
        "order_inversions",
        "failed_requests",
        "lag_median_ns",
        "receipt-without-record",
        "record-without-receipt",
        "confirmed-without-receipt",
        "stamp-disagrees-with-clock",
    }
    seen: set[str] = set()
    for seed in range(60):
        policy = ("timestamp-order", "lease")[seed % 2]
        run = random_run(tmp_path / str(seed), seed, policy, sealed=False)
        for phase in judge(run).phases:
            seen |= {name for name, value in phase.bookings.model_dump().items() if value}
            seen |= {finding.kind for finding in phase.bookings.findings}
        if seen >= wanted:
            break
    assert seen >= wanted


# --- parts --------------------------------------------------------------------------------

SAMPLES = st.lists(
    st.tuples(st.integers(0, 3 * GAP_NS_MAX), st.integers(-(10**13), 10**13)), max_size=12
)


def series_of(samples: Sequence[tuple[int, int]]) -> ClockSeries:
    ordered = sorted(dict(samples).items())
    return ClockSeries(array("q", [t for t, _ in ordered]), array("q", [d for _, d in ordered]))


@given(samples=SAMPLES, at=st.lists(st.integers(-GAP_NS_MAX, 4 * GAP_NS_MAX), max_size=12))
def test_thetas_by_column_are_those_one_by_one(
    samples: list[tuple[int, int]], at: list[int]
) -> None:
    series = series_of(samples)
    instants = [*at, *series.lab_ns]
    found = thetas_at(series, pl.Series(instants, dtype=pl.Int64), 1_000)
    expected = [series.at(lab_ns, 1_000) for lab_ns in instants]
    assert found["theta_ns"].to_list() == [e and e.divergence_ns for e in expected]
    assert found["error_ns"].to_list() == [e and e.error_ns for e in expected]


@given(
    at=st.lists(st.tuples(st.sampled_from(SERVERS), st.integers(0, 10**12)), max_size=20),
    ppm=st.floats(-500, 500),
    struck=st.lists(
        st.tuples(st.integers(0, 10**12), st.none() | st.integers(-(10**10), 10**10)), max_size=4
    ),
)
def test_injected_errors_by_column_are_those_one_by_one(
    at: list[tuple[str, int]], ppm: float, struck: list[tuple[int, int | None]]
) -> None:
    injected = Injected({"lyon": Skew(offset_ns=-7, drift_ppm=ppm)}, 55, struck={"paris": struck})
    codes = codes_of(SERVERS)
    frame = pl.DataFrame(
        {"server": [codes[name] for name, _ in at], "time_ns": [t for _, t in at]},
        schema={"server": pl.UInt64, "time_ns": pl.Int64},
    )
    found = frame.select(_injected_theta(injected, codes)).to_series().to_list()
    assert found == [injected.theta_ns(name, lab_ns) for name, lab_ns in at]


@given(
    claims=st.lists(st.tuples(st.integers(0, 3), st.integers(0, 40), st.integers(0, 40))),
    gap=st.integers(0, 9),
)
def test_inversions_by_column_are_those_one_by_one(
    claims: list[tuple[int, int, int]], gap: int
) -> None:
    frame = pl.DataFrame(claims, schema=["seat", "time_ns", "stamp_ns"], orient="row")
    frame = frame.cast(pl.Int64)
    expected = 0
    for seat in {seat for seat, _, _ in claims}:
        own = sorted((t, s) for where, t, s in claims if where == seat)
        expected += inversions([t for t, _ in own], [s for _, s in own], gap)
    assert inverted_pairs(frame, gap) == expected


@given(first=SAMPLES, second=SAMPLES, slice_samples=st.integers(1, 20))
def test_clocks_apart_do_not_depend_on_how_they_are_sliced(
    first: list[tuple[int, int]], second: list[tuple[int, int]], slice_samples: int
) -> None:
    pair = [series_of(first), series_of(second)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ntplab.analysis.divergence.SLICE_SAMPLES", slice_samples)
        found = _pairwise(pair)
    shared = dict(first).keys() & dict(second).keys()
    apart = [abs(dict(first)[t] - dict(second)[t]) for t in shared]
    assert found == (max(apart, default=0) if first and second else None)


def test_a_window_of_samples_is_a_view(tmp_path: Path) -> None:
    series = series_of([(t, t) for t in range(100)])
    window = series.window(10, 19)
    assert to_series(window.lab_ns).to_list() == list(range(10, 20))
    assert len(window.window(12, 14)) == 3


# --- evidence of some size ----------------------------------------------------------------


def test_made_evidence_is_judged_whole_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    runs = [make_run(tmp_path / name, Size(6_000, 3_000)) for name in ("one", "two")]
    results = [judge(run) for run in runs]
    assert results[0].phases == results[1].phases
    assert (results[0].verdict, results[0].reasons) == ("met", [])
    control, off, on = (phase.bookings for phase in results[0].phases)
    assert control.attempts == off.attempts == on.attempts == 2_000
    assert off.double_bookings > 0
    assert control.double_bookings == on.double_bookings == off.unexplained == 0
    assert not [phase.findings for phase in (control, off, on) if phase.findings]


def test_a_killed_run_of_some_size_is_judged_from_its_spool(tmp_path: Path) -> None:
    """The spool says what the Parquet files say, a torn last line left out."""
    made = make_run(tmp_path / "made", Size(3_000, 3_000))
    whole = judge(made)
    for table in ("attempts", "claims", "clock"):
        path = made.evidence / f"{table}.parquet"
        rows = pl.read_parquet(path)
        path.unlink()
        spool = made.evidence / f"{table}.jsonl"
        rows.write_ndjson(spool)
        with spool.open("a") as file:
            file.write('{"lab_ns":17')
    before = sorted(path.name for path in made.evidence.iterdir())
    results = judge(made)
    assert results.phases == whole.phases
    assert len([note for note in results.notes if "cut off" in note]) == 3
    assert sorted(path.name for path in made.evidence.iterdir()) == before


def test_only_so_many_double_bookings_are_told_the_worst_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = make_run(tmp_path / "run", Size(6_000, 3_000, doubled=2))
    everything = judge(run).phases[1].bookings
    monkeypatch.setattr(judging, "DETAILS_MAX", 5)
    told = judge(run).phases[1].bookings
    assert told.double_bookings == everything.double_bookings > 100
    assert told.double_booking_details == everything.double_booking_details[:5]
    assert told.double_bookings_not_told == everything.double_bookings - 5


def test_analyze_and_verify_agree_on_evidence_of_some_size(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", Size(3_000, 3_000))
    analyze(run)
    write_checksums(run)
    assert verify(run) == []


@pytest.mark.parametrize("table", ["attempts", "clock", "reservations", "belief", "claims"])
def test_a_damaged_table_is_named(tmp_path: Path, table: str) -> None:
    run = make_run(tmp_path / "run", Size(30_000, 30_000))
    path = run.evidence / f"{table}.parquet"
    data = bytearray(path.read_bytes())
    for at in range(10, min(len(data) * 2 // 3, len(data) - 2_000)):
        data[at] ^= 0xA5
    path.write_bytes(bytes(data))
    with pytest.raises(EvidenceError, match=rf"{table}\.parquet: cannot be read"):
        judge(run)
