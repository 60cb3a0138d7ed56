"""Every scenario that ships meets its expectations, in little: shorter phases, fewer points.

Two run at a time, as two users of one engine would run them. What is overridden here is how long
a scenario takes, and expectations about amounts that only a long run reaches; never what is
expected of double bookings. how-good-must-ntp-be is in `test_sweeps.py`, wander in
`test_oscillators.py`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from .kit import REPO, Cli, events

pytestmark = pytest.mark.docker

SHIPPED = REPO / "playbooks" / "scenarios"
ELSEWHERE = {"how-good-must-ntp-be", "wander"}
SMALLER = {"daemons", "train-confirmed", "train-literal", "train-snapshot"}
"""A smaller scenario of that name in tests/lab/scenarios is run in place of the shipped one."""
BY_HAND = {"train-many"}
"""Fifty containers for minutes: too much for a test; docs/results/trains.md has its figures."""


def durations(**seconds: int) -> list[str]:
    return [f"phases.{name.replace('_', '-')}.duration={s}s" for name, s in seconds.items()]


SHORT = {
    "cures": [
        *durations(ntp_off=4, ntp_on=5),
        "expect.4=phases.ntp-off.bookings.contested_seats >= 20",
        "expect.5=phases.ntp-on.bookings.contested_seats >= 20",
        # commit-wait sells nothing for the half second after NTP comes on in which its servers tell
        # each other their bounds: a tenth of so short a phase.
        "sweep.expect.17=points[policy=commit-wait].phases.ntp-on.bookings.availability > 0.5",
    ],
    "step-hurts": durations(steady=3, corrected=28),
    "concert": durations(control=5, ntp_off=6, ntp_on=6),
    "before-after": durations(ntp_off=6, ntp_on=6),
    "belief-bound": [
        *durations(steered=8, alone=16),
        "expect.1=phases.alone.sync.servers.paris.beliefs >= 10",
        "expect.2=phases.alone.sync.servers.lyon.beliefs >= 10",
    ],
    "database-clock": durations(servers_wrong=4, database_steps=14),
    "founding": [],
    "lease": durations(control=5, ntp_off=6, ntp_on=6),
    "monotonic-is-not-shared": durations(ntp_off=4, ntp_on=4),
    "unique": durations(ntp_off=5),
}
"""scenario -> what `--set` changes; the longest first, so that none of them is left for the end"""
KEPT = "before-after"
"""the scenario whose lab stays up, to be asked"""
ASK = """import urllib.request as u
print(u.urlopen("http://localhost:8000/compare_reservations?limit=1000").read().decode())"""


def asked_for(session: pytest.Session) -> list[str]:
    """The scenarios that the chosen tests of this module are about."""
    chosen = [item for item in session.items if item.path == Path(__file__)]
    of_one = [item.callspec.params["name"] for item in chosen if hasattr(item, "callspec")]
    kept = [KEPT] if len(of_one) < len(chosen) else []
    return [name for name in SHORT if name in (*of_one, *kept)]


@pytest.fixture(scope="module")
def runs(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[Any]]]:
    """The results of every scenario, as they come."""

    names = asked_for(request.session)
    folders = {name: tmp_path_factory.mktemp(name) for name in names}

    def run(name: str) -> Any:
        changes = [word for change in SHORT[name] for word in ("--set", change)]
        keep = ["--keep"] if name == KEPT else []
        argv = ("run", str(SHIPPED / f"{name}.yaml"), "--out", "out", *keep, *changes)
        return Cli(folders[name]).json(*argv, exit_code=None) | {"folder": folders[name]}

    pool = ThreadPoolExecutor(2)
    try:
        yield {name: pool.submit(run, name) for name in names}
    finally:
        pool.shutdown(cancel_futures=True)
        if KEPT in folders and (lab := lab_of(folders[KEPT])):
            Cli(folders[KEPT])("down", "--lab", lab, exit_code=None)


def lab_of(folder: Path) -> str | None:
    """The lab that was brought up for the run in `folder`."""
    started = [e["lab"] for e in events(folder / "out") if e["event"] == "run.started"]
    return str(started[0]) if started else None


def test_no_scenario_ships_untried() -> None:
    tried = {*SHORT, *ELSEWHERE, *SMALLER}
    assert {path.stem for path in SHIPPED.glob("*.yaml")} == {*tried, *BY_HAND}
    assert {path.stem for path in (Path(__file__).parent / "scenarios").iterdir()} >= SMALLER


@pytest.mark.parametrize("name", SHORT)
def test_a_shipped_scenario_meets_its_expectations(runs: dict[str, Future[Any]], name: str) -> None:
    results = runs[name].result()
    assert results["verdict"] == "met", results["reasons"]
    for point in results.get("points", [results]):
        for phase in point["phases"]:
            assert phase["bookings"]["unexplained"] == 0


@pytest.mark.parametrize("name", ["cures"])
def test_what_happens_is_what_theory_says(runs: dict[str, Future[Any]], name: str) -> None:
    """Every policy is played by theory wherever anything was sold, and on the seats that count."""
    results = runs[name].result()
    for point in results["points"]:
        for phase in point["phases"]:
            bookings = phase["bookings"]
            if bookings["availability"]:
                assert bookings["prediction"]["seats"] > 0
                assert bookings["prediction"]["observed"] == bookings["double_bookings"]
    told = Cli(results["folder"])("analyze", "out").stdout
    assert "theory" in told


# --- /compare_reservations of the kept lab ------------------------------------------------------


def compared(folder: Path) -> Any:
    """What one of its servers says."""
    lab = lab_of(folder)
    assert lab is not None
    return json.loads(Cli(folder)("exec", "paris", "--lab", lab, "--", "python3", "-c", ASK).stdout)


@pytest.fixture(scope="module")
def told(runs: dict[str, Future[Any]]) -> Any:
    """What it says with the lab's ground truth."""
    return compared(runs[KEPT].result()["folder"])


def true_times_ns(folder: Path) -> dict[str, int]:
    """When each claim was made, by the run's evidence."""
    rows = pq.read_table(folder / "out" / "evidence" / "claims.parquet").to_pylist()
    return {row["claim_id"]: row["claimed_lab_ns"] for row in rows}


def test_compare_reservations_goes_by_what_the_observer_saw(told: Any) -> None:
    """A server of the kept lab is asked: NTP off, its own chronyd would know of no error."""
    summary = told["summary"]
    assert summary["corrections"]["basis"] == "lab"
    assert "the lab measured" in summary["corrections"]["words"]
    off = {d["server"]: d for d in summary["divergence"] if d["phase"] == "ntp-off"}
    assert off["lyon"]["measured"] == off["lyon"]["claims"] > 0
    assert off["lyon"]["clock_error_ns_median"] == pytest.approx(-5e9, rel=0.01)
    assert abs(off["paris"]["clock_error_ns_median"]) < 1_000_000
    by_ntp = {group["group"]: group for group in summary["by_ntp"]}
    assert by_ntp["off"]["order_changed"] > 0
    assert by_ntp["on"]["claims"] > 0
    assert by_ntp["on"]["order_changed"] == 0
    assert told["scope"].startswith("The database of paris alone")  # conflicts are seen elsewhere


def test_it_puts_every_stamp_and_every_order_right(runs: dict[str, Future[Any]], told: Any) -> None:
    """Stamp less measured error is the corrected stamp, and that is when it truly was."""
    true_ns = true_times_ns(runs[KEPT].result()["folder"])
    seats = told["seats"]
    phases = {claim["phase"] for seat in seats for claim in seat["claims"]}
    assert phases == {"ntp-off", "ntp-on"}
    for seat in seats:
        for claim in seat["claims"]:
            assert claim["clock_error_source"] == "lab"
            corrected_ns = claim["stamp_ns"] - claim["clock_error_ns"]
            assert claim["corrected_stamp_ns"] == corrected_ns
            # The buyers of a seat are 20 ms apart at least.
            assert abs(corrected_ns - true_ns[claim["claim_id"]]) < 10_000_000
        stamped = sorted(seat["claims"], key=lambda claim: claim["stamp_ns"])
        assert seat["order_before"] == [claim["claim_id"] for claim in stamped]
        assert seat["order_after"] == sorted(seat["order_before"], key=true_ns.__getitem__)
        assert seat["order_changed"] == (seat["order_before"] != seat["order_after"])


def test_without_ground_truth_it_goes_by_belief_and_says_so(runs: dict[str, Future[Any]]) -> None:
    """As on machines outside a lab: the last test of this one, what the lab told is taken away."""
    folder = runs[KEPT].result()["folder"]
    sql = "DELETE FROM clock_measurements WHERE source = 'lab'"
    psql = ("psql", "-U", "booking", "-d", "booking_paris", "-c", sql)
    Cli(folder)("exec", "db", "--lab", str(lab_of(folder)), "--", *psql)
    told = compared(folder)
    corrections = told["summary"]["corrections"]
    assert (corrections["basis"], corrections["lab"]) == ("chronyd", 0)
    assert corrections["words"].startswith("No ground truth")
    assert f"Of {corrections['unknown']} claims not even that is known" in corrections["words"]
    claims = [claim for seat in told["seats"] for claim in seat["claims"]]
    off = [claim for claim in claims if claim["phase"] == "ntp-off"]
    assert {claim["clock_error_ns"] for claim in off} == {None}
    assert "chronyd not running" in {claim["clock_error_reason"] for claim in off}
    on = [claim for claim in claims if claim["clock_error_source"] == "chronyd"]
    assert len(on) == corrections["chronyd"] > 0
    for claim in on:
        assert claim["phase"] == "ntp-on"
        assert claim["corrected_stamp_ns"] == claim["stamp_ns"] - claim["clock_error_ns"]
        assert abs(claim["clock_error_ns"]) <= claim["clock_error_bound_ns"]
