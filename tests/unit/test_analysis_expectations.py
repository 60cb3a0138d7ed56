"""Expectations: grammar, error texts, units, and holding them against results."""

from __future__ import annotations

import operator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ntplab.analysis import check_expectation
from ntplab.analysis.expectations import evaluate
from ntplab.analysis.results import (
    Bookings,
    Divergence,
    NodeDivergence,
    PhaseEvidence,
    PhaseResult,
    Results,
    Sync,
)

PHASES = ["control", "ntp-off", "ntp-on"]
SERVERS = ["paris", "lyon", "nice"]


def results_with(**phase: object) -> Results:
    fields = {"name": "ntp-on", "ntp": "on", "evidence": PhaseEvidence(complete=True), **phase}
    return Results.model_validate(
        {"run": "r", "scenario": "s", "policy": "unique", "seed": 1, "verdict": "unknown"}
        | {"phases": [fields]}
    )


@pytest.mark.parametrize(
    "text",
    [
        "phases.ntp-off.bookings.double_bookings > 0",
        "phases.ntp-off.bookings.double_bookings>0",
        "phases.ntp-on.divergence.servers.lyon.p99_abs_ns <= 200us",
        "phases.ntp-on.divergence.p99_abs_ns <= 0.2ms",
        "phases.ntp-on.sync.seconds_to_1ms <= 10s",
        "phases.ntp-on.sync.seconds_to_1ms <= 10",
        "phases.control.bookings.ci95.1 < 0.1",
        "phases.control.bookings.latency_ms.p99 < 1s",
        "phases.control.bookings.availability >= 0.99",
    ],
)
def test_valid(text: str) -> None:
    assert check_expectation(text, PHASES, SERVERS) is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            "phases.ntp-off.bookings.double_booking > 0",
            "unknown field `double_booking` in `phases.ntp-off.bookings`; nearest: double_bookings",
        ),
        (
            "phases.ntp-of.bookings.double_bookings > 0",
            "unknown phase `ntp-of` in `phases`; nearest: ntp-off, ntp-on",
        ),
        (
            "phases.ntp-on.divergence.servers.lion.p99_abs_ns < 1ms",
            "unknown server `lion` in `phases.ntp-on.divergence.servers`; nearest: lyon",
        ),
        (
            "phases.ntp-on.p99_abs_ns < 1ms",
            "unknown field `p99_abs_ns` in `phases.ntp-on`; nearest: "
            "phases.ntp-on.divergence.p99_abs_ns, "
            "phases.ntp-on.divergence.servers.lyon.p99_abs_ns, "
            "phases.ntp-on.divergence.servers.nice.p99_abs_ns",
        ),
        (
            "phases.ntp-on.bookings > 0",
            "`phases.ntp-on.bookings` is not a number; it has: ",
        ),
        (
            "phases.ntp-on.bookings.attempts > 5s",
            "`phases.ntp-on.bookings.attempts` has no unit, so `5s` cannot be compared with it",
        ),
        (
            "phases.ntp-on.divergence.max_abs_ns < 5parsec",
            "`5parsec` is neither a number nor a duration such as 200us",
        ),
        (
            "phases.ntp-on.bookings.attempts",
            "cannot read expectation 'phases.ntp-on.bookings.attempts': write `<path> <op> ",
        ),
        (
            "phases.ntp-on.bookings.attempts.more > 1",
            "`phases.ntp-on.bookings.attempts` has no fields, so "
            "`phases.ntp-on.bookings.attempts.more` does not exist",
        ),
        ("phases.ntp-on.ntp == 1", "unknown field `ntp` in `phases.ntp-on`"),
    ],
)
def test_invalid(text: str, error: str) -> None:
    found = check_expectation(text, PHASES, SERVERS)
    assert found is not None
    assert found.startswith(error)


def test_units_are_converted_into_the_fields_unit() -> None:
    results = results_with(
        divergence=Divergence(p99_abs_ns=200_000, servers={"lyon": NodeDivergence(p99_abs_ns=1)})
    )
    met = "phases.ntp-on.divergence.p99_abs_ns <= 200us"
    violated = "phases.ntp-on.divergence.p99_abs_ns < 0.2ms"
    assert evaluate(met, results, SERVERS).verdict == "met"
    assert evaluate(violated, results, SERVERS).verdict == "violated"
    named = evaluate("phases.ntp-on.divergence.servers.lyon.p99_abs_ns == 1ns", results, SERVERS)
    assert (named.verdict, named.observed) == ("met", 1)


def test_a_time_that_never_came_is_violated_and_an_unmeasured_one_unknown() -> None:
    text = "phases.ntp-on.sync.seconds_to_1ms < 10s"
    assert evaluate(text, results_with(sync=Sync(measured=True)), SERVERS).verdict == "violated"
    assert evaluate(text, results_with(sync=Sync(measured=False)), SERVERS).verdict == "unknown"


def test_an_incomplete_phase_is_unknown_even_when_the_number_fits() -> None:
    results = results_with(evidence=PhaseEvidence(complete=False))
    found = evaluate("phases.ntp-on.bookings.double_bookings == 0", results, SERVERS)
    assert (found.observed, found.verdict) == (0, "unknown")


@given(
    observed=st.integers(0, 10**6),
    value=st.integers(0, 10**6),
    op=st.sampled_from(["==", "!=", "<", "<=", ">", ">="]),
)
def test_comparison_is_pythons(observed: int, value: int, op: str) -> None:
    results = results_with(bookings=Bookings(attempts=observed))
    symbols = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}
    expected = getattr(operator, symbols[op])(observed, value)
    found = evaluate(f"phases.ntp-on.bookings.attempts {op} {value}", results, SERVERS)
    assert found.verdict == ("met" if expected else "violated")


def test_phase_results_round_trip_through_json() -> None:
    results = results_with()
    assert Results.model_validate_json(results.to_json()) == results
    assert isinstance(results.phases[0], PhaseResult)
