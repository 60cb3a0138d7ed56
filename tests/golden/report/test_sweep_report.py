"""Reports of sweeps: table, heat map, curves, rows; and slides made from one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from ntplab.analysis import SweepResults
from ntplab.analysis.intervals import wilson
from ntplab.analysis.results import Bookings, PhaseResult
from ntplab.analysis.sweep_results import PointResult
from ntplab.errors import EvidenceError
from ntplab.evidence import (
    Manifest,
    ManifestPoint,
    ManifestSweep,
    RunDirectory,
    check_checksums,
    write_checksums,
)
from ntplab.report import deck_of, language, slides_html, write_report
from ntplab.report.numbers import DASH
from ntplab.report.slides import to_html
from ntplab.report.sweep_figures import axes_of, pictures
from ntplab.report.writing import points_of

HOSTILE = "<script>alert(1)</script>"
SVG = "{http://www.w3.org/2000/svg}"


def phase(doubles: int, trials: int, name: str = "load") -> PhaseResult:
    bookings = Bookings(
        attempts=2 * trials,
        contested_seats=trials,
        opportunities=trials,
        double_bookings=doubles,
        rate=doubles / trials if trials else 0.0,
        ci95=wilson(doubles, trials),
        rate_of="opportunities",
        rate_trials=trials,
    )
    return PhaseResult(name=name, ntp="off", bookings=bookings)


def results_of(points: list[PointResult]) -> SweepResults:
    axes: dict[str, list[Any]] = {}
    for point in points:
        for name, value in point.set.items():
            values = axes.setdefault(name, [])
            if value not in values:
                values.append(value)
    return SweepResults(run="r", scenario="s", seed=1, axes=axes, verdict="met", points=points)


def grid() -> SweepResults:
    """Two waits, three skews out of order; the last point came to nothing."""
    points: list[PointResult] = []
    for wait in ("1s", "300ms"):
        for skew, doubles in (("2s", 9), ("0s", 0), ("500ms", 4)):
            number = len(points) + 1
            points.append(
                PointResult(
                    number=number, set={"wait": wait, "skew": skew}, verdict="met",
                    phases=[phase(doubles, 20)], folder=f"points/{number:04d}-1",
                )
            )  # fmt: skip
    points[-1] = PointResult(
        number=6, set=points[-1].set, verdict="unknown", reasons=["a node died"], phases=[]
    )
    return results_of(points)


def directory(path: Path, results: SweepResults) -> RunDirectory:
    run = RunDirectory.create_at(path / "sweep")
    sweep = ManifestSweep(
        points=[ManifestPoint(number=p.number, set=p.set) for p in results.points]
    )
    run.write_manifest(Manifest(run="r", scenario_name="s", policy="unique", seed=1, sweep=sweep))
    run.write_text("results.json", results.to_json())
    for point in results.points:
        if point.folder:
            inside = RunDirectory.create_at(run.path / point.folder)
            inside.write_manifest(Manifest(run="p", scenario_name="s", policy="unique", seed=1))
    write_checksums(run)
    return run


def test_axes_of_quantities_are_in_order_of_size_whatever_their_units() -> None:
    skew, wait = axes_of(grid())
    assert (skew.name, skew.values, skew.numeric) == ("skew", ("0s", "500ms", "2s"), True)
    assert (wait.name, wait.values) == ("wait", ("300ms", "1s"))


def test_an_axis_of_words_keeps_its_order() -> None:
    points = [
        PointResult(number=i, set={"policy": name}, verdict="met", phases=[phase(0, 5)])
        for i, name in enumerate(("unique", "lease"), 1)
    ]
    (axis,) = axes_of(results_of(points))
    assert (axis.values, axis.numeric) == (("unique", "lease"), False)
    assert len(pictures(results_of(points), language("en"))) == 1


def test_a_grid_has_rows_a_heat_map_and_curves() -> None:
    rows, heat, curves = pictures(grid(), language("en"))
    cells = ElementTree.fromstring(str(heat.svg)).iter(f"{SVG}rect")
    shades = [cell.get("fill-opacity") for cell in cells if cell.get("class") == "cell"]
    # Rows are the waits, columns the skews; the last point, 300 ms and 500 ms, has no cell.
    assert shades == ["0.00", "0.45", "0.00", "0.20", "0.45"]
    texts = [t.text for t in ElementTree.fromstring(str(heat.svg)).iter(f"{SVG}text")]
    assert texts.count("4/20") == 1
    assert texts.count("9/20") == 2
    lines = ElementTree.fromstring(str(curves.svg)).iter(f"{SVG}path")
    drawn = [line for line in lines if str(line.get("class")).startswith("line")]
    assert len(drawn) == 2
    assert len(re.findall("<circle", str(rows.svg))) == 5


def test_the_table_has_every_point_also_the_failed_one(tmp_path: Path) -> None:
    page = write_report(directory(tmp_path, grid())).read_text()
    assert "a node died" in page
    assert page.count('href="points/') == 5
    assert f"45% (25.8{DASH}65.8%)" in page


def test_hostile_values_of_axes_are_text(tmp_path: Path) -> None:
    points = [
        PointResult(number=i, set={HOSTILE: f"{HOSTILE}{i}"}, verdict="met", phases=[phase(1, 4)])
        for i in (1, 2)
    ]
    page = write_report(directory(tmp_path, results_of(points))).read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;1" in page


def test_the_sweep_vouches_for_reports_of_its_points(tmp_path: Path) -> None:
    run = directory(tmp_path, grid())
    point = points_of(run, wanted=True)[0]
    assert check_checksums(run) == []
    results = '{"schema":1,"run":"p","scenario":"s","policy":"unique","seed":1,"verdict":"met"}'
    point.write_text("results.json", results)
    write_checksums(run)
    write_report(point)
    assert check_checksums(run) == []
    assert f'href="points/{point.path.name}/report.html"' in write_report(run).read_text()


def test_no_sweep_no_points(tmp_path: Path) -> None:
    run = directory(tmp_path, grid())
    assert len(points_of(run, wanted=True)) == 5
    assert points_of(run, wanted=False) == []


def test_slides_tell_a_point_and_list_all(tmp_path: Path) -> None:
    run = directory(tmp_path, grid())
    for point in points_of(run, wanted=True):
        results = '{"schema":1,"run":"p","scenario":"s","policy":"lease","seed":1,"verdict":"met"}'
        point.write_text("results.json", results)
    page = slides_html(deck_of(run, None), language("en"))
    assert "policy lease" in page
    assert "2s, 1s" in page or "1s, 2s" in page


def test_a_run_cannot_show_cures(tmp_path: Path) -> None:
    run = directory(tmp_path, grid())
    point = points_of(run, wanted=True)[0]
    results = '{"schema":1,"run":"p","scenario":"s","policy":"lease","seed":1,"verdict":"met"}'
    point.write_text("results.json", results)
    with pytest.raises(EvidenceError, match="is no sweep"):
        deck_of(run, point)


def test_markdown_lets_no_html_through() -> None:
    assert "<b>" not in to_html("a <b>b</b>\n\n<script>x</script>", {})
    assert "href" not in to_html("[x](javascript:alert(1))", {})
