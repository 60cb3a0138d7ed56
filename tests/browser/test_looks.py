"""What holds of the page whatever is on it: names are text, it fits, it speaks two languages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Route, expect

from ntplab.evidence import Manifest, ManifestNode, ManifestPhase, RunDirectory, SpoolWriter

from ..lab.kit import Cli
from .conftest import end_ui, keep_shot, start_ui, visit

ROGUE = '<img src=x onerror="document.title=`owned`">'
START_NS = 1_795_339_889_000_000_000


def hostile_run(folder: Path) -> RunDirectory:
    """A run whose every name is markup: servers, buyers, seats, phases, faults, errors."""
    run = RunDirectory.create_at(folder / "hostile")
    servers = [f"a{ROGUE}", f"b{ROGUE}"]
    run.write_manifest(
        Manifest(
            run=ROGUE, scenario_name=ROGUE, policy=ROGUE, seed=1, anchor_ns=0,
            nodes=[ManifestNode(name=name, kind="server") for name in servers],
            phases=[ManifestPhase(name=ROGUE, ntp="off")],
        )
    )  # fmt: skip
    told: list[dict[str, Any]] = [
        {"event": "phase.started", "phase": ROGUE, "ntp": ROGUE, "duration_ns": 1},
        {"event": "fault.in_force", "node": servers[0], "kind": ROGUE, "value": ROGUE},
        {"event": "ntp.switched", "node": servers[0], "state": ROGUE},
        {"event": "run.interrupted", "reason": ROGUE},
        {"event": ROGUE},
    ]  # fmt: skip
    for number, event in enumerate(told):
        run.append_event({"lab_ns": START_NS + number * 10**8, **event})
    with SpoolWriter(run) as spool:
        for number in range(20):
            at_ns = START_NS + number * 10**8
            rows = [
                {"lab_ns": at_ns, "node": name, "wall_ns": at_ns, "divergence_ns": number}
                for name in servers
            ]
            spool.append("clock", rows)
        spool.append(
            "attempts",
            [
                {
                    "attempt_id": name, "phase": ROGUE, "buyer": f"{name}{ROGUE}",
                    "seat": f"{ROGUE}-0001", "server": name, "sent_ns": START_NS,
                    "answered_ns": START_NS + 10**9, "outcome": "confirmed", "receipt_id": name,
                    "stamp_ns": START_NS,
                }
                for name in servers
            ],
        )  # fmt: skip
    return run


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("hostile")
    process, url = start_ui(Cli(folder), str(hostile_run(folder).path))
    yield url
    end_ui(process)


def test_hostile_names_are_text(url: str, context: BrowserContext) -> None:
    watched = visit(context, url)
    page = watched.page
    expect(page.locator("#clocks h3").first).to_have_text(f"a{ROGUE}")
    page.locator("#hall .seat.twice").click()
    expect(page.locator("#seat-title")).to_contain_text(ROGUE)
    expect(page.locator(".ticket h3").first).to_contain_text(ROGUE)
    expect(page.locator("#events")).to_contain_text(ROGUE)
    assert page.locator("body img").count() == 0
    assert page.title() == "ntplab"
    assert watched.errors == []
    assert watched.strangers == []


def test_a_narrow_screen_in_french_and_in_the_dark(url: str, browser: Browser) -> None:
    context = browser.new_context(
        viewport={"width": 360, "height": 800}, locale="fr-FR", color_scheme="dark"
    )
    try:
        page = visit(context, url).page
        expect(page.locator("html")).to_have_attribute("lang", "fr")
        expect(page.get_by_role("heading", name="Horloges")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        page.get_by_label("Langue").select_option("en")
        expect(page.get_by_role("heading", name="Clocks")).to_be_visible()
        keep_shot(page, "narrow")
    finally:
        context.close()


def test_a_projector_shows_it_all_in_letters_that_the_last_row_can_read(
    url: str, browser: Browser
) -> None:
    """Full HD on a wall: the story's figures stand out, nothing is cut off or hangs over."""
    context = browser.new_context(viewport={"width": 1920, "height": 1080}, locale="en-US")
    try:
        page = visit(context, url).page
        assert page.evaluate("document.documentElement.scrollWidth") == 1920
        small = page.evaluate(
            "[...document.querySelectorAll('.story strong')]"
            ".filter(one => parseFloat(getComputedStyle(one).fontSize) < 28)"
            ".map(one => one.textContent)"
        )
        assert small == []
        for part in ("#clocks", "#chart", ".story"):
            box = page.locator(part).bounding_box()
            assert box is not None
            assert box["width"] > 400
            assert box["x"] + box["width"] <= 1920
        keep_shot(page, "projector")
    finally:
        context.close()


def test_a_seat_is_found_opened_and_closed_by_the_keyboard(
    url: str, context: BrowserContext
) -> None:
    page = visit(context, url).page
    seat = page.locator("#hall .seat.twice")
    expect(seat).to_be_visible()
    for _ in range(100):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.matches('#hall .seat')"):
            break
    page.keyboard.press("Enter")
    expect(page.locator("#seat-title")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#seat-title")).to_be_hidden()
    assert page.evaluate("document.activeElement.matches('#hall .seat')")  # where one was before


MORE_EVENTS = """async (count) => {
  const store = await import("/static/js/store.js");
  const tables = await import("/static/js/tables.js");
  const list = document.getElementById("events"), before = list.firstElementChild;
  const at = store.state.events.at(-1).at;
  for (let number = 0; number < count; number += 1) {
    store.addNew({ events: [{ event: "lab.step", step: `step ${number}`, at: at + 1000 }] });
    tables.showEvents(1);
  }
  store.fresh.events = 0;
  return { kept: before.isConnected, lines: list.childElementCount,
           newest: list.firstElementChild.textContent };
}"""


def test_new_events_come_on_top_of_the_lines_that_are_there(
    url: str, context: BrowserContext
) -> None:
    """Hundreds of lines made anew for each event were most of the page's garbage."""
    page = visit(context, url).page
    expect(page.locator("#events li").last).to_contain_text("0.0 s")
    few = page.evaluate(MORE_EVENTS, 1)
    assert few["kept"]
    assert few["newest"] == "1.4 sstep 0"  # 0.4 s after the first, and one more
    many = page.evaluate(MORE_EVENTS, 200)
    assert (many["lines"], many["kept"]) == (120, False)


def test_every_word_is_there_in_both_languages(url: str, context: BrowserContext) -> None:
    page = visit(context, url).page
    keys = page.evaluate("import('/static/js/words.js').then(words => words.keysOf())")
    assert sorted(keys["en"]) == sorted(keys["fr"])
    used = page.evaluate("[...document.querySelectorAll('[data-t]')].map(one => one.dataset.t)")
    assert set(used) <= set(keys["en"])


def test_a_page_of_which_a_part_was_lost_on_the_way_loads_again(
    url: str, context: BrowserContext
) -> None:
    """Network interfaces come and go with labs, and Chromium drops what it is loading."""
    lost: list[str] = []

    def lose_once(route: Route) -> None:
        if route.request.url in lost:
            route.continue_()
        else:
            lost.append(route.request.url)
            route.abort("internetdisconnected")

    for part in ("js/chart.js", "css/parts.css"):
        context.route(f"**/static/{part}", lose_once)
    page = context.new_page()
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    assert len(lost) == 2
    assert page.locator(".story").evaluate("one => getComputedStyle(one).display") == "grid"
