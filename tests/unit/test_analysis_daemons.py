"""What is known of daemons that tell less than chronyd does."""

from __future__ import annotations

from array import array

import polars as pl

from ntplab.analysis.clocks import ClockSeries
from ntplab.analysis.phases import PhaseSpan
from ntplab.analysis.results import PhaseResult, Results, ServerSync, Sync
from ntplab.analysis.sync import BOUND_NS, _coverage, _error, _steady
from ntplab.cli.daemon_table import COLUMNS, daemon_rows
from ntplab.evidence import ManifestPhase

S, MS = 1_000_000_000, 1_000_000


def checked(*reports: tuple[int, int | None, int | None, int]) -> pl.DataFrame:
    """Reports (offset, root delay, root dispersion, truth), held against the truth."""
    names = ["offset_ns", "root_delay_ns", "root_dispersion_ns", "theta_ns"]
    frame = pl.DataFrame(reports, schema=dict.fromkeys(names, pl.Int64), orient="row")
    return frame.with_columns(bound_ns=BOUND_NS, slack_ns=0)


def test_a_report_without_a_bound_has_an_error_and_no_coverage() -> None:
    bare = checked((5, None, None, -2))
    assert _coverage(bare) is None
    assert _error(bare, 0.99) == 7


def test_reports_without_a_bound_do_not_count_as_covered_or_not() -> None:
    inside, outside, bare = (1, 4, 3, 6), (1, 4, 3, 7), (1, None, 3, 7)
    assert (_coverage(checked(inside)), _coverage(checked(outside))) == (1.0, 0.0)
    assert _coverage(checked(inside, outside, bare)) == 0.5


def test_the_steady_state_is_the_last_quarter_settled_or_not() -> None:
    clock = ClockSeries(
        array("q", range(0, 100 * S, S)), array("q", [-9 * MS] * 75 + [-2 * MS] * 24 + [7 * MS])
    )
    phase = ManifestPhase(name="one")
    span = PhaseSpan(phase, 0, 0, 99 * S, ended=True, followed=True, arrivals=0)
    assert _steady({"lyon": clock}, "lyon", span) == {
        "steady_p50_ns": 2 * MS,
        "steady_p99_ns": 7 * MS,
    }
    assert _steady({}, "lyon", span) == {"steady_p50_ns": None, "steady_p99_ns": None}


def results(**servers: ServerSync) -> Results:
    phase = PhaseResult(name="on", ntp="on", sync=Sync(measured=True, servers=servers))
    return Results(run="r", scenario="s", policy="unique", seed=1, verdict="met", phases=[phase])


def test_the_table_says_what_a_daemon_does_not_offer() -> None:
    chrony = ServerSync(
        daemon="chrony",
        measured=True,
        seconds_to_1ms=1.25,
        belief_error_p50_ns=1_500,
        belief_error_p99_ns=2_500,
        bound_coverage=1.0,
        steady_p50_ns=4_000,
        steady_p99_ns=5_000,
    )
    rows = daemon_rows(
        results(
            paris=chrony,
            lyon=ServerSync(daemon="timesyncd", measured=True),
            metz=ServerSync(daemon="openntpd", measured=True),
        )
    )
    unsynced, nothing = ("none: unsynced",) * 2, ("not offered",) * 3
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert rows == [
        ("on", "chrony", "paris", "1.2", "4us", "5us", "1.5us", "2.5us", "100%"),
        ("on", "openntpd", "metz", "never", "?", "?", *unsynced, "not offered"),
        ("on", "timesyncd", "lyon", "never", "?", "?", *nothing),
    ]


def test_one_kind_of_daemon_needs_no_table() -> None:
    one = ServerSync(daemon="chrony", measured=True)
    assert daemon_rows(results(paris=one, lyon=one)) == []
