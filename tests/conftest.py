"""What holds for every test: none depends on how fast the machine is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("ntplab", deadline=None)
settings.load_profile("ntplab")

TESTS = Path(__file__).parent
PARALLEL = [TESTS / folder for folder in ("unit", "golden", "clock")]
OUTCOMES = ("failed", "error", "passed", "skipped", "xfailed", "xpassed")


def pytest_addoption(parser: pytest.Parser) -> None:
    what = "write the numbers of tests by outcome to this file, and which failed"
    parser.addoption("--tally", type=Path, metavar="FILE", help=what)
    what = "only the tests that may run beside each other, or only the others"
    parser.addoption("--part", choices=("parallel", "serial"), help=what)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The two parts in which `./ntplab test` runs."""
    part = config.getoption("--part")
    if part:
        left_out = [item for item in items if may_share(item) != (part == "parallel")]
        items[:] = [item for item in items if may_share(item) == (part == "parallel")]
        config.hook.pytest_deselected(items=left_out)


def may_share(item: pytest.Item) -> bool:
    """Whether the machine may be busy with other tests meanwhile."""
    here = any(folder in item.path.parents for folder in PARALLEL)
    return here and item.get_closest_marker("alone") is None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What `./ntplab test` puts together where it runs pytest more than once."""
    file = terminalreporter.config.getoption("--tally")
    if file:
        stats = terminalreporter.stats
        counts = {outcome: len(stats[outcome]) for outcome in OUTCOMES if outcome in stats}
        failed = [report.nodeid for outcome in OUTCOMES[:2] for report in stats.get(outcome, [])]
        file.write_text(json.dumps({"counts": counts, "failed": failed}))
