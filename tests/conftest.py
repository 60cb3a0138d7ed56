"""What holds for every test: none depends on how fast the machine is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ntplab", deadline=None)
settings.load_profile("ntplab")

OUTCOMES = ("failed", "error", "passed", "skipped", "xfailed", "xpassed", "deselected")


def pytest_addoption(parser: pytest.Parser) -> None:
    what = "write the numbers of tests by outcome to this file, and which failed"
    parser.addoption("--tally", type=Path, metavar="FILE", help=what)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What `./ntplab test` puts together where it runs pytest more than once."""
    file = terminalreporter.config.getoption("--tally")
    if file:
        stats = terminalreporter.stats
        counts = {outcome: len(stats[outcome]) for outcome in OUTCOMES if outcome in stats}
        failed = [report.nodeid for outcome in OUTCOMES[:2] for report in stats.get(outcome, [])]
        file.write_text(json.dumps({"counts": counts, "failed": failed}))
