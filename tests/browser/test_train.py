"""The train network on the page, over a real lab: by hand, then played again."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from ..lab.kit import SCENARIOS, Cli
from .conftest import Ui, end_ui, keep_shot, start_ui, visit, wait_for
from .test_live_page import serious_violations

CLIENTS = ("c1", "c2", "c3", "c4")


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ui]:
    """The founding protocol over links on which every receipt takes longer than a hold lasts."""
    cli = Cli(tmp_path_factory.mktemp("train"))
    lab = f"test-{secrets.token_hex(3)}"
    try:
        cli("up", str(SCENARIOS / "train-literal.yaml"), "--lab", lab)
        process, url = start_ui(cli, "--lab", lab)
        try:
            yield Ui(url, lab, cli, process)
        finally:
            end_ui(process)
    finally:
        cli("down", "--lab", lab, exit_code=None)


def test_tickets_are_sold_twice_under_ones_eyes(train: Ui, context: BrowserContext) -> None:
    watched = visit(context, train.url)
    page = watched.page
    expect(page.locator("#network-card")).to_be_visible()
    expect(page.locator("#net .net-name")).to_have_text(["office", *CLIENTS])
    expect(page.locator("#net .net-link")).to_have_count(8)  # a star, both ways
    expect(page.locator("#policy-group")).to_be_hidden()
    page.locator("#rate").fill("8")
    page.get_by_role("button", name="Start", exact=True).click()
    page.wait_for_function("() => document.querySelectorAll('#net .net-dot').length > 0")
    expect(page.locator("#hall .seat.twice").first).to_be_visible()
    expect(page.locator("#holders .chip.twice").first).to_be_visible()
    expect(page.locator("#sentence")).to_contain_text("are held by two people each")
    page.locator("#hall .seat.twice").first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_role("heading", level=2)).to_contain_text(
        re.compile("to (two|[3-9]) people")
    )
    expect(dialog.locator(".ticket").nth(1)).to_be_visible()  # on a slow machine even a third
    expect(dialog.locator(".why")).to_contain_text("late-receipt")
    page.keyboard.press("Escape")
    a_snapshot_is_a_cut(page, train)
    keep_shot(page, "train")
    assert serious_violations(page) == []
    page.get_by_role("button", name="Stop", exact=True).click()
    expect(page.locator("#load-off")).to_be_disabled()
    what_clients_hold_is_what_they_say(page, train)
    assert (watched.errors, watched.strangers) == ([], [])
    replay_ends_the_same(page)


def a_snapshot_is_a_cut(page: Page, train: Ui) -> None:
    """Taken from the page, found at the office, and drawn through every node's line."""
    with page.expect_response("**/api/snapshot") as answer:
        page.get_by_role("button", name="Take a snapshot").click()
    assert answer.value.status == 204
    words = page.locator("#net-words")
    expect(words).to_contain_text("snapshot 1 is whole,")
    crossing = ask(train, "office", "snapshot", "show", "1")["snapshot"]["preposts"]
    expect(words).to_contain_text(f"{len(crossing)} messages cross its cut")
    expect(page.locator("#net .net-cut")).to_have_text(["✂ 1"] * 5)
    drawing = page.get_by_role("img", name="snapshot 1 is whole")
    expect(drawing).to_have_attribute("id", "spacetime")


def what_clients_hold_is_what_they_say(page: Page, train: Ui) -> None:
    """Ground truth: each client's own list."""
    for number, client in ((1, "c1"), (4, "c4")):
        own = {int(ticket["ticket_id"]) for ticket in ask(train, client, "tickets")}
        amount = page.locator("#net .net-amount").nth(number)
        expect(amount).to_have_text(f"{len(own)} held")


def replay_ends_the_same(page: Page) -> None:
    held = page.locator("#net .net-amount").all_inner_texts()
    holders, phases = page.inner_text("#holders"), page.inner_text("#phases")
    page.get_by_text("More:").click()
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Replay: train-literal").first.click()
    expect(page.locator("#replaying")).to_be_visible()
    assert page.locator("#net .net-amount").all_inner_texts() == held
    assert (page.inner_text("#holders"), page.inner_text("#phases")) == (holders, phases)
    page.locator("#seek").evaluate(
        "one => { one.value = 1; one.dispatchEvent(new Event('change')); }"
    )
    wait_for("an earlier state", lambda: page.inner_text("#holders") != holders)
    page.locator("#speed").select_option("20")
    page.get_by_role("button", name="Play").click()
    page.wait_for_function("() => document.querySelectorAll('#net .net-dot').length > 0")
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.locator("#holders")).to_have_text(holders, use_inner_text=True)
    keep_shot(page, "train-replay")


def ask(train: Ui, node: str, *words: str) -> Any:
    """A node's own answer, by its own program."""
    program = ("ntplab-train", "ask", "--json", *words)
    return json.loads(train.cli("exec", "--lab", train.lab, node, "--", *program).stdout)
