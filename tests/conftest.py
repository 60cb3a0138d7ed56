"""What holds for every test: none depends on how fast the machine is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings
from xdist.workermanage import NodeManager

settings.register_profile("ntplab", deadline=None)
settings.load_profile("ntplab")

TESTS = Path(__file__).parent
PART_OF_FOLDER = {
    **dict.fromkeys(("unit", "golden", "clock"), "parallel"),
    **dict.fromkeys(("lab", "browser", "vps"), "labs"),
}
OUTCOMES = ("failed", "error", "passed", "skipped", "xfailed", "xpassed")


def pytest_addoption(parser: pytest.Parser) -> None:
    what = "write the numbers of tests by outcome to this file, and which failed"
    parser.addoption("--tally", type=Path, metavar="FILE", help=what)
    what = "only the tests of one part of those that `./ntplab test` runs one after another"
    parser.addoption("--part", choices=(*set(PART_OF_FOLDER.values()), "alone"), help=what)


# A lab takes longer to clear away than pytest-xdist gives its interrupted processes.
NodeManager.EXIT_TIMEOUT = 120


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """One part of those in which `./ntplab test` runs."""
    part = config.getoption("--part")
    if part:
        left_out = [item for item in items if part_of(item) != part]
        items[:] = [item for item in items if part_of(item) == part]
        config.hook.pytest_deselected(items=left_out)


def part_of(item: pytest.Item) -> str:
    if item.get_closest_marker("alone"):
        return "alone"
    return PART_OF_FOLDER.get(item.path.relative_to(TESTS).parts[0], "alone")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What `./ntplab test` puts together where it runs pytest more than once."""
    file = terminalreporter.config.getoption("--tally")
    if file:
        stats = terminalreporter.stats
        counts = {outcome: len(stats[outcome]) for outcome in OUTCOMES if outcome in stats}
        failed = [report.nodeid for outcome in OUTCOMES[:2] for report in stats.get(outcome, [])]
        file.write_text(json.dumps({"counts": counts, "failed": failed}))
