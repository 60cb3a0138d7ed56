"""The page over a real lab, as a visitor uses it: from wrong clocks to seats sold twice, to NTP."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Browser, BrowserContext, Page, expect

from .conftest import Ui, keep_shot, visit, wait_for

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
SEAT_TWICE = "#hall .seat.twice"


def serious_violations(page: Page) -> list[str]:
    """What axe-core finds that keeps people out."""
    found = page.evaluate(AXE.read_text() + ";axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{one['id']}: {one['nodes'][0]['html']}"
        for one in found["violations"]
        if one["impact"] in ("serious", "critical")
    ]


def test_the_whole_story(ui: Ui, browser: Browser, context: BrowserContext) -> None:
    """NTP off, clocks apart, two people on one seat; then NTP on, and nobody is."""
    watched = visit(context, ui.url)
    page = watched.page
    expect(page.locator("#ntp-state")).to_have_text("OFF")
    expect(page.locator("#apart")).to_have_text("5.00 s")
    the_chart_moves(page)
    page.get_by_role("button", name="Start", exact=True).click()
    expect(page.locator(SEAT_TWICE).first).to_be_visible()
    a_double_booking_explains_itself(page)
    two_browsers_agree(page, browser, ui.url)
    assert serious_violations(page) == []
    keep_shot(page, "ntp-off")
    ntp_on_is_seen_in_the_containers(page, ui)
    replay_ends_where_the_run_ended(page)
    assert watched.errors == []
    assert watched.strangers == []


def the_chart_moves(page: Page) -> None:
    """Two looks at its canvas differ: it is drawn anew as samples come in."""
    canvas = page.locator("#chart canvas")
    expect(canvas).to_be_visible()
    first = canvas.evaluate("one => one.toDataURL()")
    wait_for("another drawing", lambda: canvas.evaluate("one => one.toDataURL()") != first)


def a_double_booking_explains_itself(page: Page) -> None:
    page.locator(SEAT_TWICE).first.click()
    dialog = page.get_by_role("dialog")
    expect(dialog.locator(".ticket")).to_have_count(2)
    expect(dialog.get_by_role("heading", level=2)).to_contain_text("belongs to two people")
    expect(dialog.locator(".formula")).to_contain_text("gap < theta_A - theta_B")
    expect(dialog.locator(".why")).to_contain_text("lyon")
    keep_shot(page, "double-booking")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()


def two_browsers_agree(page: Page, browser: Browser, url: str) -> None:
    """A second visitor, who comes later, sees what the first sees."""
    context = browser.new_context(locale="en-US")
    try:
        other = visit(context, url).page
        page.get_by_role("button", name="Stop", exact=True).click()
        expect(page.locator("#load-off")).to_be_disabled()
        seats = (
            "[...document.querySelectorAll('#hall .seat')]"
            ".map(one => one.dataset.seat + one.className.replace(' fresh', ''))"
        )
        wait_for(
            "the same seats and counters in both",
            lambda: (
                other.evaluate(seats) == page.evaluate(seats)
                and other.inner_text("#phases") == page.inner_text("#phases")
            ),
        )
    finally:
        context.close()


def ntp_on_is_seen_in_the_containers(page: Page, ui: Ui) -> None:
    page.get_by_role("button", name="Switch NTP on").click()
    expect(page.locator("#ntp-state")).to_have_text("ON")
    states = ui.cli.json("ntp", "status", "--lab", ui.lab)["ntp"]
    assert [state["on"] for state in states] == [True, True]
    wait_for(
        "clocks that agree",
        lambda: page.locator("#tile-apart.good").count() == 1,
    )
    clocks = ui.cli.json("clock", "show", "--lab", ui.lab)["nodes"]
    assert abs(clocks["lyon"]["divergence_ns"]) < 10_000_000
    page.get_by_role("switch", name="NTP of lyon").click()
    expect(page.locator("#ntp-state")).to_have_text("PARTLY ON")
    states = ui.cli.json("ntp", "status", "--lab", ui.lab)["ntp"]
    assert {state["node"]: state["on"] for state in states} == {"paris": True, "lyon": False}


def replay_ends_where_the_run_ended(page: Page) -> None:
    """What was done by hand is a run like any other: closed, found again, and played."""
    phases = page.inner_text("#phases")
    page.get_by_text("More:").click()
    page.get_by_role("button", name="Close", exact=True).click()
    page.get_by_role("button", name="Replay: brief").first.click()
    expect(page.locator("#replaying")).to_be_visible()
    assert page.inner_text("#phases") == phases
    page.locator("#speed").select_option("20")
    page.get_by_role("button", name="Play").click()
    expect(page.get_by_role("button", name="Pause")).to_be_visible()
    wait_for("an earlier state", lambda: page.inner_text("#phases") != phases)
    expect(page.get_by_role("button", name="Play")).to_be_visible()
    expect(page.locator("#phases")).to_have_text(phases, use_inner_text=True)
    page.locator("#phase").select_option("1-ntp-off")
    page.locator(SEAT_TWICE).first.click()
    expect(page.locator(".formula")).to_contain_text("theta_A")
    page.keyboard.press("Escape")
    keep_shot(page, "replay")
