"""The clock errors that open a window: the scenario's, until a planned fault sets others."""

from __future__ import annotations

from ntplab.analysis.explain import Injected
from ntplab.evidence import Skew

SKEWS = {"lyon": Skew(offset_ns=-5_000, drift_ppm=1_000_000.0)}


def test_the_scenario_s_skew_grows_with_its_drift() -> None:
    injected = Injected(SKEWS, start_ns=100)
    assert injected.theta_ns("lyon", 100) == -5_000
    assert injected.theta_ns("lyon", 300) == -4_800
    assert injected.theta_ns("paris", 300) == 0


def test_a_fault_counts_from_when_it_struck_until_a_phase_sets_the_clock_anew() -> None:
    injected = Injected(SKEWS, 100, struck={"lyon": [(200, -9), (400, 70), (600, None)]})
    seen = [injected.theta_ns("lyon", at) for at in (199, 200, 399, 400, 599, 600)]
    assert seen == [-4_901, -9, -9, 70, 70, -4_500]
