"""Two runs side by side: what was asked for, what came of it, and what is only in one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ntplab.analysis.bookings import with_rate
from ntplab.analysis.comparing import compare_runs, differences
from ntplab.analysis.results import Bookings, PhaseResult, Results
from ntplab.analysis.sweep_results import PointResult, SweepResults
from ntplab.errors import EvidenceError, UsageError
from ntplab.evidence import Manifest, ManifestPoint, ManifestSweep, RunDirectory

PLAN = {
    "seed": 1,
    "servers": [{"name": "lyon", "clock": {"offset_ns": 5}}],
    "phases": [{"name": "load", "seed": 77, "load": [{"kind": "races", "first_seat": 1}]}],
}


def phase(name: str, doubles: int, of: int = 100) -> PhaseResult:
    bookings = Bookings(opportunities=of, contested_seats=of, double_bookings=doubles)
    return PhaseResult(name=name, ntp="off", bookings=with_rate(bookings))


def run(folder: Path, plan: Any = None, *phases: PhaseResult) -> RunDirectory:
    made = RunDirectory.create_at(folder)
    made.write_manifest(
        Manifest(run="r", scenario_name="s", policy="p", seed=1, plan=plan or PLAN)
    )  # fmt: skip
    results = Results(
        run="r", scenario="s", policy="p", seed=1, verdict="met", phases=list(phases)
    )  # fmt: skip
    made.write_text("results.json", results.to_json())
    return made


def sweep(folder: Path, doubles: dict[str, int]) -> RunDirectory:
    made = RunDirectory.create_at(folder)
    points = [ManifestPoint(number=n, set={"skew": s}) for n, s in enumerate(doubles, 1)]
    block = ManifestSweep(points=points)
    made.write_manifest(
        Manifest(run="r", scenario_name="s", policy="p", seed=1, plan=PLAN, sweep=block)
    )  # fmt: skip
    rows = [
        PointResult(number=n, set={"skew": s}, verdict="met", phases=[phase("load", count)])
        for n, (s, count) in enumerate(doubles.items(), 1)
    ]
    axes = {"skew": list(doubles)}
    results = SweepResults(run="r", scenario="s", seed=1, axes=axes, verdict="met", points=rows)
    made.write_text("results.json", results.to_json())
    return made


def test_phases_are_lined_up_by_name_and_chance_is_told_from_difference(tmp_path: Path) -> None:
    one = run(tmp_path / "a", None, phase("off", 50), phase("on", 1), phase("old", 0))
    two = run(tmp_path / "b", None, phase("on", 3), phase("off", 5), phase("new", 0))
    found = compare_runs(one, two)
    assert [row["phase"] for row in found["rows"]] == ["off", "on"]
    off, on = found["rows"]
    assert off["figures"]["double_bookings"] == [50, 5]
    assert (off["rates_differ"], on["rates_differ"]) == (True, False)
    assert [place["phase"] for place in found["only_in_first"]] == ["old"]
    assert [place["phase"] for place in found["only_in_second"]] == ["new"]
    assert found["scenario"] == []


def test_points_of_sweeps_are_lined_up_by_what_they_set(tmp_path: Path) -> None:
    one = sweep(tmp_path / "a", {"0s": 0, "1s": 10, "2s": 20})
    two = sweep(tmp_path / "b", {"2s": 21, "1s": 9, "3s": 1})
    found = compare_runs(one, two)
    lined_up = {row["set"]["skew"]: row["figures"]["double_bookings"] for row in found["rows"]}
    assert lined_up == {"1s": [10, 9], "2s": [20, 21]}
    assert [place["set"] for place in found["only_in_first"]] == [{"skew": "0s"}]
    assert [place["set"] for place in found["only_in_second"]] == [{"skew": "3s"}]


def test_what_the_scenarios_differ_in_goes_by_name_and_leaves_out_what_follows() -> None:
    other = {
        **PLAN,
        "seed": 2,
        "servers": [{"name": "lyon", "clock": {"offset_ns": 9}}, {"name": "nice", "port": 1}],
        "phases": [{"name": "load", "seed": 78, "load": [{"kind": "races", "first_seat": 9}]}],
    }
    manifests = [Manifest(run="r", scenario_name="s", policy="p", seed=1, plan=p)
                 for p in (PLAN, other)]  # fmt: skip
    assert differences(*manifests) == [
        {"key": "seed", "first": 1, "second": 2},
        {"key": "servers.lyon.clock.offset_ns", "first": 5, "second": 9},
        {"key": "servers.nice.port", "first": None, "second": 1},
    ]


def test_a_run_is_not_lined_up_with_a_sweep_nor_with_what_was_not_judged(tmp_path: Path) -> None:
    one, two = run(tmp_path / "a"), sweep(tmp_path / "b", {"0s": 0})
    with pytest.raises(UsageError, match="a run and a sweep"):
        compare_runs(one, two)
    (one.path / "results.json").unlink()
    with pytest.raises(EvidenceError, match="not judged yet"):
        compare_runs(one, one)
