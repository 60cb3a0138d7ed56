"""The benchmarks' arithmetic, and how they are chosen, skipped and reported."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import ntplab.cli.bench as cli_bench
from ntplab.bench import (
    BENCHMARKS,
    SETS,
    Bench,
    Figure,
    Outcome,
    Skipped,
    document,
    measure,
    named,
    unknown,
)
from ntplab.bench.catalog import GROUPS, Group
from ntplab.bench.figures import against_limit, compare, rounded
from ntplab.bench.machine import describe_machine, processor
from ntplab.bench.measuring import CannotMeasure
from ntplab.driver.fake import FakeDriver
from ntplab.errors import EngineError, NodeError

MEASURED = st.lists(st.floats(0.001, 1e9), min_size=1, max_size=9)


def figure(name: str = "a", **changes: object) -> Figure:
    given = {"ours": 28.0, "other": 20.0, "other_name": "native", "unit": "ns", "better": "lower"}
    values = {"name": name, **given, "target": 1.4, "runs": 3, **changes}
    return Figure(**values)  # type: ignore[arg-type]


def bench(tmp_path: Path, *wanted: str) -> Bench:
    return Bench(FakeDriver, tmp_path, lambda _words: None, frozenset(wanted))


@given(MEASURED, st.data())
def test_a_figure_is_of_medians_and_outliers_do_not_move_it(
    ours: list[float], data: st.DataObject
) -> None:
    other = data.draw(st.lists(st.floats(0.001, 1e9), min_size=len(ours), max_size=len(ours)))
    found = compare("a", ours, other, "native", "ns", 1.4)
    assert min(ours) <= found.ours <= max(ours)
    assert found.ratio == found.ours / found.other
    assert found.runs == len(ours)
    if len(ours) % 2 and len(ours) > 1:
        worse = sorted(ours)
        worse[-1] *= 1000
        assert compare("a", worse, other, "native", "ns", 1.4) == found


def test_the_ratio_of_pairs_is_that_of_measurements_that_met_the_same_machine() -> None:
    # The machine was three times as slow for the last two pairs.
    ours, other = [11.0, 11.0, 11.0, 33.0, 33.0], [10.0, 10.0, 30.0, 30.0, 30.0]
    plain = compare("a", ours, other, "native", "ns", 1.15)
    paired = compare("a", ours, other, "native", "ns", 1.15, paired=True)
    assert (plain.ours, plain.other) == (paired.ours, paired.other) == (11.0, 30.0)
    assert plain.ratio == pytest.approx(11 / 30)
    assert paired.ratio == pytest.approx(1.1)
    assert paired.met is True
    assert json.loads(json.dumps(document({}, [paired])))["benchmarks"][0]["ratio"] == 1.1


def test_measurements_that_were_not_taken_in_turn_are_refused() -> None:
    with pytest.raises(ValueError, match="3 and 2 measurements were not in turn"):
        compare("a", [1, 2, 3], [1, 2], "native", "ns", 1.4)


@pytest.mark.parametrize(
    ("better", "target", "met"),
    [
        ("lower", 1.4, True), ("lower", 1.39, False), ("lower", None, None),
        ("higher", 1.4, True), ("higher", 1.41, False),
    ],
)  # fmt: skip
def test_a_target_is_met_on_the_side_that_is_better(
    better: str, target: float | None, met: bool | None
) -> None:
    assert figure(better=better, target=target).met is met


def test_a_limit_is_a_ratio_of_one() -> None:
    assert against_limit("a", [10.0, 9.0, 12.0], 10.0, "s").met is True
    over = against_limit("a", [10.1], 10.0, "s")
    assert (over.met, over.other_name, over.target) == (False, "limit", 1.0)


def test_the_document_has_the_shape_of_the_interface() -> None:
    outcomes = [figure(ours=27.94321, other=24.6), Skipped("b", "no libfaketime")]
    found = json.loads(json.dumps(document({"cpus": 2}, outcomes)))
    assert found == {
        "schema": 1,
        "machine": {"cpus": 2},
        "benchmarks": [
            {
                "name": "a", "ours": 27.94, "other": 24.6, "other_name": "native", "unit": "ns",
                "ratio": 1.136, "better": "lower", "target": 1.4, "runs": 3,
            },
            {"name": "b", "skipped": "no libfaketime"},
        ],
    }  # fmt: skip
    told = {f.name for f in fields(Figure)} - {"of_pairs"} | {"ratio"}
    assert set(found["benchmarks"][0]) == told


@given(st.floats(1e-9, 1e12))
def test_rounding_keeps_four_digits(value: float) -> None:
    assert abs(rounded(value) - value) <= value * 0.5e-3


def test_machine_facts_are_plain_data() -> None:
    facts = describe_machine()
    assert facts["cpus"] >= 1
    assert facts["memory_bytes"] > 1 << 20
    json.dumps(facts)


def test_a_processor_without_a_name(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    assert processor(cpuinfo) == ""
    cpuinfo.write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.00GHz\n")
    assert processor(cpuinfo) == "Some CPU @ 2.00GHz"


# --- choosing -----------------------------------------------------------------------------


def test_every_name_is_of_one_benchmark_only() -> None:
    assert len(BENCHMARKS) == sum(len(group.about) for group in GROUPS)
    assert unknown(["clock_gettime", "nonsense"]) == ["nonsense"]


def test_a_set_names_its_benchmarks() -> None:
    assert not set(SETS) & set(BENCHMARKS)
    wanted = named(["clock", "demo_seconds"])
    assert wanted == {*SETS["clock"], "demo_seconds"}
    assert wanted >= {"clock_gettime", "python_time", "pgbench_select", "chrony_error_added"}
    assert unknown(sorted(named(["clock", "nonsense"]))) == ["nonsense"]


def gives(*outcomes: Outcome, then: Exception | None = None) -> Group:
    def run(_bench: Bench) -> Iterator[Outcome]:
        yield from outcomes
        if then is not None:
            raise then

    names = dict.fromkeys([o.name for o in outcomes] + (["last"] if then else []), "about it")
    return Group(names, run)


def never(_bench: Bench) -> Iterator[Outcome]:
    raise AssertionError("nobody asked for it")


def test_only_what_was_asked_for_is_measured(tmp_path: Path) -> None:
    groups = [gives(figure("a"), figure("b")), Group({"c": ""}, never)]
    assert list(measure(bench(tmp_path, "b"), groups)) == [figure("b")]


def test_what_breaks_one_group_leaves_the_others_alone(tmp_path: Path) -> None:
    broken = NodeError("lyon died with exit code 1", log_tail=["starting", "no database"])
    groups = [gives(figure("a"), then=broken), gives(figure("b"))]
    assert list(measure(bench(tmp_path, "a", "last", "b"), groups)) == [
        figure("a"),
        Skipped("last", "lyon died with exit code 1; no database", failed=True),
        figure("b"),
    ]


def test_what_is_not_there_is_no_failure(tmp_path: Path) -> None:
    groups = [gives(then=CannotMeasure("no C compiler"))]
    assert list(measure(bench(tmp_path, "last"), groups)) == [Skipped("last", "no C compiler")]


def test_a_benchmark_never_vanishes(tmp_path: Path) -> None:
    groups = [Group({"a": ""}, lambda _bench: iter(()))]
    assert list(measure(bench(tmp_path, "a"), groups)) == [
        Skipped("a", "it gave no figure", failed=True)
    ]


def test_an_interrupt_is_not_swallowed(tmp_path: Path) -> None:
    def run(_bench: Bench) -> Iterator[Outcome]:
        raise KeyboardInterrupt
        yield

    with pytest.raises(KeyboardInterrupt):
        list(measure(bench(tmp_path, "a"), [Group({"a": ""}, run)]))


def test_what_was_measured_before_an_interrupt_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[list[Outcome]] = []

    def interrupted(_bench: Bench) -> Iterator[Outcome]:
        yield figure("report_time")
        raise KeyboardInterrupt

    monkeypatch.setattr(cli_bench, "measure", interrupted)
    monkeypatch.setattr(cli_bench, "show", shown.append)
    with pytest.raises(KeyboardInterrupt):
        cli_bench.bench(["report_time", "report_size"])
    assert shown == [[figure("report_time")]]


def test_the_engine_is_only_asked_for_when_a_benchmark_needs_it(tmp_path: Path) -> None:
    def no_engine() -> FakeDriver:
        raise EngineError("Docker Engine does not answer")

    wanted = frozenset({"bring_up", "unique_throughput", "demo_seconds"})
    setting = Bench(no_engine, tmp_path, lambda _words: None, wanted)
    assert {(o.name, o.reason) for o in measure(setting) if isinstance(o, Skipped)} == {
        (name, "Docker Engine does not answer") for name in wanted
    }
