"""Policies in a whole lab, NTP off and on: what happens is what theory says."""

from __future__ import annotations

from pathlib import Path

import pytest

from .kit import SCENARIOS, Cli

pytestmark = pytest.mark.docker


def test_what_ntp_does_for_a_policy_is_what_theory_says(tmp_path: Path) -> None:
    cli = Cli(tmp_path)
    results = cli.json("run", str(SCENARIOS / "cures-brief.yaml"))
    assert results["verdict"] == "met", results["reasons"]
    for point in results["points"]:
        for phase in point["phases"]:
            prediction = phase["bookings"]["prediction"]
            if phase["bookings"]["availability"]:
                assert prediction["seats"] > 0
                assert prediction["observed"] == phase["bookings"]["double_bookings"]
    told = cli("analyze", str((tmp_path / "runs" / "latest").resolve())).stdout
    assert "theory" in told
