"""Every scenario that ships meets its expectations, in little: shorter phases, fewer points.

Two run at a time, as two users of one engine would run them. What is overridden here is how long
a scenario takes, and expectations about amounts that only a long run reaches; never what is
expected of double bookings. how-good-must-ntp-be is in `test_sweeps.py`, daemons in
`test_daemons.py`, wander in `test_oscillators.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest

from .kit import REPO, Cli

pytestmark = pytest.mark.docker

SHIPPED = REPO / "playbooks" / "scenarios"
ELSEWHERE = {"how-good-must-ntp-be", "daemons", "wander"}


def durations(**seconds: int) -> list[str]:
    return [f"phases.{name.replace('_', '-')}.duration={s}s" for name, s in seconds.items()]


SHORT = {
    "concert": durations(control=5, ntp_off=6, ntp_on=6),
    "cures": [
        *durations(ntp_off=4, ntp_on=4),
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


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Any]]]:
    """The results of every scenario, as they come."""

    def run(name: str) -> Any:
        changes = [word for change in SHORT[name] for word in ("--set", change)]
        cli = Cli(tmp_path_factory.mktemp(name))
        return cli.json("run", str(SHIPPED / f"{name}.yaml"), *changes, exit_code=None)

    with ThreadPoolExecutor(2) as pool:
        yield {name: pool.submit(run, name) for name in SHORT}


def test_no_scenario_ships_untried() -> None:
    assert {path.stem for path in SHIPPED.glob("*.yaml")} == {*SHORT, *ELSEWHERE}


@pytest.mark.parametrize("name", SHORT)
def test_a_shipped_scenario_meets_its_expectations(runs: dict[str, Future[Any]], name: str) -> None:
    results = runs[name].result()
    assert results["verdict"] == "met", results["reasons"]
    for point in results.get("points", [results]):
        for phase in point["phases"]:
            assert phase["bookings"]["unexplained"] == 0
