"""The page ends while buyers are on their way: all that was sold is recorded, and judged."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, expect

from ntplab.evidence import RunDirectory

from ..lab.kit import Cli
from .conftest import end_ui, start_ui, visit

RATE_HZ = 10
"""Little enough for a busy machine to answer everybody: who is not answered in time has failed."""
ENOUGH = 20
"""Receipts: by then buyers are in every state, from sent to holding."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_nothing_is_lost_when_the_page_ends_under_load(
    standing: tuple[Cli, str], context: BrowserContext, number: signal.Signals
) -> None:
    cli, lab = standing
    cli("ntp", "off", "--lab", lab)
    process, url = start_ui(cli, "--lab", lab)
    try:
        page = visit(context, url).page
        page.locator("#rate").fill(str(RATE_HZ))
        page.get_by_role("button", name="Start", exact=True).click()
        cell = page.locator("#phases tbody tr td").nth(2)
        expect(cell).to_have_text("0")
        page.wait_for_function(
            "least => Number(document.querySelector('#phases tbody tr td:nth-of-type(3)')"
            "?.textContent.replace(/\\D/g, '')) >= least",
            arg=ENOUGH,
        )
        process.send_signal(number)
        process.wait(240)
    finally:
        end_ui(process)
    run = newest(cli.cwd / "runs")
    phase = json.loads(run.results.read_text())["phases"][0]
    bookings = phase["bookings"]
    assert bookings["receipts"] >= ENOUGH
    assert bookings["failed_requests"] == 0
    assert bookings["records_without_receipt"] == 0
    assert bookings["receipts_without_record"] == 0
    assert phase["evidence"]["missing"] == []
    assert cli("verify", str(run.path)).returncode == 0
    assert cli.json("status", "--lab", lab)


def newest(runs: Path) -> RunDirectory:
    return RunDirectory(max(runs.glob("*/*/results.json"), key=lambda f: f.stat().st_mtime).parent)
