"""What is told of a run as it happens."""

from __future__ import annotations

import pytest

from ntplab.cli.output import Output
from ntplab.cli.progress import Narrator
from ntplab.events import LabStep, ReportFailed
from ntplab.planner import make_plan
from ntplab.scenario import Checks, parse_experiment

SCENARIO = """
name: s
policy: unique
servers: [{name: paris}]
phases: [{name: load, duration: 1s, ntp: off}]
"""


def test_a_missing_report_is_told_even_when_progress_is_not(
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = Output()
    output.configure(verbose=False, quiet=True)
    plan = make_plan(parse_experiment(SCENARIO, "s.yaml", (), Checks()).scenario)
    with Narrator(output, plan) as tell:
        tell(LabStep(1, "networks and clocks"))
        tell(ReportFailed(2, "runs/s/one", "no pixel left"))
    told = capsys.readouterr().err
    assert "no report could be made: no pixel left" in told
    assert "./ntplab -v report runs/s/one" in told
    assert "networks" not in told
