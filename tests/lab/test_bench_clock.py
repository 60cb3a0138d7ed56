"""The benchmarks of the virtual clock that need containers, as small as they get.

What they measure depends on the machine; that they measure it does not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from ntplab.bench import Bench, Figure, Outcome, Skipped, database, discipline, measure
from ntplab.cli.loading import ready_driver


@pytest.mark.alone
def test_what_the_clock_costs_postgresql_and_adds_to_chronyd(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("RUNS", 1), ("SCALE", 1), ("TRANSACTIONS", 50)):
        monkeypatch.setattr(database, name, value)
    for name, value in (("RUNS", 1), ("SETTLING_S", 3), ("WINDOW_S", 2)):
        monkeypatch.setattr(discipline, name, value)
    driver, told = ready_driver(), []
    wanted = frozenset({*database.ABOUT, *discipline.ABOUT})
    before = set(driver.labs())
    outcomes: list[Outcome] = list(measure(Bench(lambda: driver, tmp_path, told.append, wanted)))
    assert not [outcome for outcome in outcomes if isinstance(outcome, Skipped)]
    found = {outcome.name: outcome for outcome in outcomes if isinstance(outcome, Figure)}
    assert set(found) == wanted
    assert found[database.NAME].ours > 0
    # Both pairs have settled: what is compared is no start-up.
    assert abs(found[discipline.ERROR].ours) < 5_000
    assert any("native" in line and "virtual" in line for line in told)
    assert set(driver.labs()) <= before
