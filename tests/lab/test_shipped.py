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
    "concert": durations(control=5, ntp_off=6, ntp_on=6),
    "cures": [
        # commit-wait sells nothing for the half second after NTP comes on in which its servers tell
        # each other their bounds: a tenth of a shorter phase.
        *durations(ntp_off=4, ntp_on=9),
        "expect.4=phases.ntp-off.bookings.contested_seats >= 20",
        "expect.5=phases.ntp-on.bookings.contested_seats >= 20",
    ],
    "before-after": durations(ntp_off=6, ntp_on=6),
    "belief-bound": durations(steered=8, alone=24),
    "database-clock": durations(servers_wrong=4, database_steps=14),
    "founding": [],
    "lease": durations(control=5, ntp_off=6, ntp_on=6),
    "monotonic-is-not-shared": durations(ntp_off=4, ntp_on=4),
    "step-hurts": durations(steady=3, corrected=28),
    "unique": durations(ntp_off=5),
}
"""scenario -> what `--set` changes"""
KEPT = "before-after"
"""the scenario whose lab stays up, to be asked"""
ASK = "import urllib.request as u; print(u.urlopen('http://localhost:8000/compare_reservations').read().decode())"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Any]]]:
    """The results of every scenario, as they come."""

    folders = {name: tmp_path_factory.mktemp(name) for name in SHORT}

    def run(name: str) -> Any:
        changes = [word for change in SHORT[name] for word in ("--set", change)]
        keep = ["--keep"] if name == KEPT else []
        argv = ("run", str(SHIPPED / f"{name}.yaml"), "--out", "out", *keep, *changes)
        return Cli(folders[name]).json(*argv, exit_code=None) | {"folder": folders[name]}

    pool = ThreadPoolExecutor(2)
    try:
        yield {name: pool.submit(run, name) for name in SHORT}
    finally:
        pool.shutdown(cancel_futures=True)
        if lab := lab_of(folders[KEPT]):
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


def test_compare_reservations_goes_by_what_the_observer_saw(runs: dict[str, Future[Any]]) -> None:
    """A server of the kept lab is asked: NTP off, its own chronyd would know of no error."""
    folder = runs[KEPT].result()["folder"]
    lab = lab_of(folder)
    assert lab is not None
    told = Cli(folder)("exec", "paris", "--lab", lab, "--", "python3", "-c", ASK).stdout
    summary = json.loads(told)["summary"]
    assert summary["corrections"]["basis"] == "lab"
    off = {d["server"]: d for d in summary["divergence"] if d["phase"] == "ntp-off"}
    assert off["lyon"]["measured"] == off["lyon"]["claims"] > 0
    assert off["lyon"]["clock_error_ns_median"] == pytest.approx(-5e9, rel=0.01)
    assert abs(off["paris"]["clock_error_ns_median"]) < 1_000_000
