"""Every control of the page, pressed; what it did is looked for in the containers themselves."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import testinfra
from playwright.sync_api import BrowserContext, Page, expect

from ntplab.evidence import Evidence, RunDirectory
from ntplab.plan import APP_PORT

from ..lab.kit import ENTER, Cli, labelled
from .conftest import Ui, keep_shot, visit, wait_for

READY = f"http://127.0.0.1:{APP_PORT}/readyz"
ASK = f"import urllib.request as u; print(u.urlopen('{READY}', timeout=10).read().decode())"


class Lab:
    """What the containers themselves say."""

    def __init__(self, ui: Ui) -> None:
        self.ui, self.cli, self.name = ui, ui.cli, ui.lab

    def clock(self, node: str) -> dict[str, Any]:
        shown: dict[str, Any] = self.cli.json("clock", "show", "--lab", self.name)
        return dict(shown["nodes"][node])

    def off_by_s(self, node: str) -> float:
        return float(self.clock(node)["divergence_ns"]) / 1e9

    def inside(self, node: str, command: str) -> str:
        host = testinfra.get_host(f"docker://ntplab-{self.name}-{node}")
        return str(host.check_output(command))

    def ntp(self) -> dict[str, bool]:
        found = self.cli.json("ntp", "status", "--lab", self.name)["ntp"]
        return {one["node"]: bool(one["on"]) for one in found}

    def policy(self, node: str) -> str:
        return str(json.loads(self.inside(node, f'python3 -I -c "{ASK}"'))["policy"])


@pytest.fixture(scope="module")
def lab(ui: Ui) -> Lab:
    return Lab(ui)


@pytest.fixture
def page(ui: Ui, context: BrowserContext) -> Page:
    page = visit(context, ui.url).page
    page.get_by_text("More:").click()
    return page


def bend(page: Page, node: str, value: str, how: str) -> None:
    page.locator("#bend-node").select_option(node)
    page.locator("#bend-value").fill(value)
    page.locator("#bend-action").select_option(label=how)
    with page.expect_response("**/api/clock"):
        page.get_by_role("button", name="Do it").click()


def test_a_step_and_a_set_move_the_clock_in_the_container(lab: Lab, page: Page) -> None:
    bend(page, "paris", "-2", "s step")
    assert lab.off_by_s("paris") == pytest.approx(-2, abs=0.1)
    before_s, inside_s = lab.off_by_s("lyon"), float(lab.inside("paris", f"{ENTER} date +%s.%N"))
    other_s = float(lab.inside("lyon", f"{ENTER} date +%s.%N"))
    assert inside_s - other_s > -2 - before_s - 5  # `date` was asked of one after the other
    expect(page.locator("#events li").first).to_contain_text("paris: step -2s")
    bend(page, "paris", "300", "ms step")
    assert lab.off_by_s("paris") == pytest.approx(-1.7, abs=0.1)
    bend(page, "paris", "0", "s from true time")
    assert lab.off_by_s("paris") == pytest.approx(0, abs=0.1)


def test_a_drift_makes_the_clock_run_away(lab: Lab, page: Page) -> None:
    bend(page, "paris", "5000", "ppm drift")
    assert lab.clock("paris")["drift_ppm"] == 5000
    first_s = lab.off_by_s("paris")
    wait_for("a clock that runs away", lambda: lab.off_by_s("paris") > first_s + 0.005)
    bend(page, "paris", "0", "ppm drift")
    assert lab.clock("paris")["drift_ppm"] == 0
    bend(page, "paris", "0", "s from true time")


def test_what_is_refused_is_said_on_the_page_and_nothing_happens(lab: Lab, page: Page) -> None:
    trouble = page.locator("#trouble")
    bend(page, "paris", "1000000000000", "s from true time")
    expect(trouble).to_contain_text("value: Input should be less than or equal to")
    bend(page, "paris", "200000", "ppm drift")
    expect(trouble).to_contain_text("200000 ppm is too much; at most 100000 ppm")
    assert lab.clock("paris")["drift_ppm"] == 0
    page.locator("#rate").fill("99")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(trouble).to_contain_text("a load of 99/s; between 0 and 50/s")
    expect(page.locator("#load-off")).to_be_disabled()
    page.locator("#rate").fill("6")
    bend(page, "paris", "0", "s from true time")
    expect(trouble).to_be_hidden()


def test_ntp_of_each_server_and_of_all(lab: Lab, page: Page) -> None:
    page.get_by_role("switch", name="NTP of paris").click()
    expect(page.locator("#ntp-state")).to_have_text("PARTLY ON")
    assert lab.ntp() == {"paris": True, "lyon": False}
    page.get_by_role("button", name="Switch NTP on").click()
    expect(page.locator("#ntp-state")).to_have_text("ON")
    assert lab.ntp() == {"paris": True, "lyon": True}
    page.get_by_role("switch", name="NTP of paris").click()
    expect(page.locator("#ntp-state")).to_have_text("PARTLY ON")
    assert lab.ntp() == {"paris": False, "lyon": True}
    page.get_by_role("button", name="Switch NTP off").click()
    expect(page.locator("#ntp-state")).to_have_text("OFF")
    assert lab.ntp() == {"paris": False, "lyon": False}
    lab.cli("ntp", "on", "paris", "--lab", lab.name)  # in a terminal: the page sees that too
    expect(page.locator("#ntp-state")).to_have_text("PARTLY ON")
    lab.cli("ntp", "off", "paris", "--lab", lab.name)
    expect(page.locator("#ntp-state")).to_have_text("OFF")


def test_load_and_policy_are_changed_while_it_runs(lab: Lab, page: Page) -> None:
    """Each change begins a phase of its own; the servers decide by the new policy at once."""
    page.locator("#rate").fill("4")
    page.get_by_role("button", name="Start", exact=True).click()
    wait_for("receipts", lambda: count(page, 1, "receipts") >= 4)
    assert f"ntplab-{lab.name}-buyers" in labelled(lab.name)
    page.locator("#rate").fill("25")
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator("#phases tbody tr")).to_have_count(2)
    wait_for("receipts", lambda: count(page, 2, "receipts") >= 20)
    with page.expect_response("**/api/policy"):
        page.locator("#policy").select_option("lease-fenced")
    assert {lab.policy("paris"), lab.policy("lyon")} == {"lease-fenced"}
    expect(page.locator("#what")).to_contain_text("policy lease-fenced")
    expect(page.locator("#phases tbody tr")).to_have_count(3)
    wait_for("receipts", lambda: count(page, 3, "receipts") >= 10)
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#load-off")).to_be_disabled()
    with page.expect_response("**/api/policy"):
        page.locator("#policy").select_option("timestamp-order")
    assert {lab.policy("paris"), lab.policy("lyon")} == {"timestamp-order"}
    slow, fast, _ = rates(lab.cli.cwd / "runs")
    assert fast > 2 * slow  # 25 races a second were asked for, and 4 before; arrivals are random
    assert [count(page, row, "failed") for row in (1, 2, 3)] == [0, 0, 0]


def count(page: Page, row: int, what: str) -> int:
    column = {"attempts": 2, "receipts": 3, "failed": 5}[what]
    cell = page.locator(f"#phases tbody tr:nth-child({row}) td:nth-of-type({column})")
    return int(re.sub(r"\D", "", cell.inner_text() or "0") or 0) if cell.count() else 0


def rates(runs: Path) -> list[float]:
    """Races a second in the phases of the two newest runs, one of each policy, by when buyers
    were due."""
    newest = sorted(runs.glob("*/*/results.json"), key=lambda file: file.stat().st_mtime)[-2:]

    due: dict[str, list[int]] = {}
    for results in newest:
        with Evidence(RunDirectory(results.parent)) as evidence:
            for batch in evidence.batches("attempts"):
                for row in batch.to_pylist():
                    due.setdefault(row["phase"], []).append(row["due_ns"])
    return [len(all_) / 2 / ((max(all_) - min(all_)) / 1e9) for _, all_ in sorted(due.items())]


def test_a_scenario_is_started_shows_its_progress_and_is_stopped(
    standing: tuple[Cli, str], ui: Ui, page: Page
) -> None:
    """As `./ntplab run`, with a lab of its own, of which nothing is left."""
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Run it: concert", exact=True).click()
    expect(page.locator("#running")).to_be_visible()
    page.wait_for_function("() => Number(document.querySelector('#progress').value) > 1")
    expect(page.locator("#progress-words")).to_contain_text("control")
    (directory,) = (ui.cli.cwd / "runs" / "concert").iterdir()
    started = json.loads((directory / "events.jsonl").read_text().split("\n")[0])
    assert labelled(started["lab"]) != []
    keep_shot(page, "running")
    page.get_by_role("button", name="Stop it").click()
    expect(page.locator("#replaying")).to_be_visible()
    expect(page.locator("#events")).to_contain_text("run stopped: interrupted")
    assert labelled(started["lab"]) == []
    assert json.loads((directory / "results.json").read_text())["verdict"] == "unknown"
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name=f"Show: {ui.lab}", exact=True).click()
    expect(page.locator("#controls")).to_be_visible()
