"""Report and slides in a real Chromium, from disk, with networking off; and on paper."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from ntplab.analysis import analyze
from ntplab.evidence import RunDirectory, seal, write_checksums
from ntplab.report import deck_of, find_chromium, language, slides_html, write_pdf, write_report
from simulated_lab import MS, US, S, SimPhase, Simulation, constant, races
from simulated_trains import TrainRun

SLOW = {"paris": constant(0), "lyon": constant(-5 * S)}
NEAR = {"paris": constant(20 * US), "lyon": constant(-15 * US)}
AXE = Path(__file__).parent / "vendor" / "axe.min.js"
HOSTILE = "<img src=x onerror=document.title='pwned'>"
SLIDES = re.compile(rb"/Type\s*/Page\b")
PAPER_POINTS = (960, 540)
"""13.333 by 7.5 inches: 16:9"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    """NTP off with three seats sold twice, then on. Its description wants to be markup."""
    folder = tmp_path_factory.mktemp("runs")
    run = Simulation(folder, scenario={"description": HOSTILE}).play(
        SimPhase("ntp-off", "off", races(3, 900 * MS), SLOW, clocks="skewed"),
        SimPhase("ntp-on", "on", races(3, 900 * MS), NEAR),
    )
    seal(run)
    analyze(run)
    write_checksums(run)
    return run


@pytest.fixture(scope="module")
def every_page(run: RunDirectory, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The reports of a concert and of trains, in each language."""
    trains = TrainRun(tmp_path_factory.mktemp("trains")).run
    seal(trains)
    analyze(trains)
    write_checksums(trains)
    runs = {"run": run, "trains": trains}
    return {
        f"{name}.{lang}": write_report(of, lang)
        for name, of in runs.items()
        for lang in ("en", "fr")
    }


@dataclass
class Opened:
    """A page and everything that it asked for or complained about."""

    page: Page
    asked: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)


@pytest.fixture
def offline(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(offline=True, viewport={"width": 1100, "height": 800})
    yield context
    context.close()


def opened(context: BrowserContext, path: Path) -> Opened:
    """`path` as a double click opens it."""
    seen = Opened(context.new_page())
    seen.page.on("request", lambda request: seen.asked.append(request.url))
    seen.page.on("console", lambda message: seen.complaints.append(message.text))
    seen.page.on("pageerror", lambda error: seen.complaints.append(str(error)))
    seen.page.goto(path.as_uri())
    return seen


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_the_report_opens_from_disk_and_asks_for_nothing(
    offline: BrowserContext, run: RunDirectory, tmp_path: Path, lang: str
) -> None:
    # Alone in a folder: nothing beside it helps.
    alone = Path(shutil.copy(write_report(run, lang), tmp_path / "alone.html"))
    seen = opened(offline, alone)
    assert seen.asked == [alone.as_uri()]
    assert seen.complaints == []
    assert seen.page.locator("svg.chart").count() >= 6
    assert seen.page.locator("details").count() == 3
    assert seen.page.evaluate("document.documentElement.lang") == lang


def test_its_style_is_let_through_by_its_own_policy(
    offline: BrowserContext, run: RunDirectory
) -> None:
    page = opened(offline, write_report(run)).page
    stroke = page.locator("svg .line.s0").first.evaluate("e => getComputedStyle(e).stroke")
    assert stroke not in ("none", "rgb(0, 0, 0)")


def test_a_script_would_not_run_even_if_one_slipped_in(
    offline: BrowserContext, run: RunDirectory, tmp_path: Path
) -> None:
    text = write_report(run).read_text()
    slipped = tmp_path / "slipped.html"
    slipped.write_text(text.replace("<main>", "<main><script>document.title='pwned'</script>"))
    seen = opened(offline, slipped)
    assert seen.page.title() != "pwned"
    assert any("Content Security Policy" in words for words in seen.complaints)


def test_hostile_text_is_text(offline: BrowserContext, run: RunDirectory) -> None:
    page = opened(offline, write_report(run)).page
    assert page.locator("img").count() == 0
    assert page.get_by_text(HOSTILE).count() == 1
    assert page.title() == "Report: synthetic"


@pytest.mark.parametrize("width", [360, 1920])
def test_it_fits_a_telephone_and_a_projector(
    offline: BrowserContext, run: RunDirectory, width: int
) -> None:
    page = opened(offline, write_report(run)).page
    page.set_viewport_size({"width": width, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize(("scheme", "is_dark"), [("light", False), ("dark", True)])
def test_it_is_light_or_dark_as_asked_for(
    offline: BrowserContext, run: RunDirectory, scheme: str, is_dark: bool
) -> None:
    page = opened(offline, write_report(run)).page
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    color = page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    level = sum(int(part) for part in re.findall(r"\d+", color)[:3]) / 3
    assert (level < 128) == is_dark


@pytest.mark.parametrize("lang", ["en", "fr"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(
    browser: Browser, every_page: dict[str, Path], lang: str, scheme: Literal["light", "dark"]
) -> None:
    # The page's own policy lets no script in, axe neither.
    context = browser.new_context(
        offline=True, bypass_csp=True, color_scheme=scheme, viewport={"width": 360, "height": 800}
    )
    try:
        for name in ("run", "trains"):
            page = opened(context, every_page[f"{name}.{lang}"]).page
            page.evaluate(AXE.read_text())
            found = page.evaluate("axe.run()")
            assert len(found["passes"]) > 15, "axe did look"
            serious = [v for v in found["violations"] if v["impact"] in ("serious", "critical")]
            assert [(v["id"], v["nodes"][0]["html"]) for v in serious] == []
    finally:
        context.close()


def test_a_report_of_trains_opens_from_disk_too(
    offline: BrowserContext, every_page: dict[str, Path], tmp_path: Path
) -> None:
    alone = Path(shutil.copy(every_page["trains.fr"], tmp_path / "alone.html"))
    seen = opened(offline, alone)
    assert seen.asked == [alone.as_uri()]
    assert seen.complaints == []
    assert seen.page.get_by_text("Billet 2").first.is_visible()
    seen.page.set_viewport_size({"width": 360, "height": 800})
    assert seen.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_what_is_folded_on_the_screen_is_on_paper(
    offline: BrowserContext, run: RunDirectory
) -> None:
    page = opened(offline, write_report(run)).page
    folded = page.locator("details").first
    folded.evaluate("e => e.open = false")
    inside = folded.locator("p").first
    page.emulate_media(media="print")
    shown = "e => e.checkVisibility({contentVisibilityAuto: true})"
    assert inside.evaluate(shown)
    page.emulate_media(media="screen")
    assert not inside.evaluate(shown)


def test_the_report_becomes_a_pdf(run: RunDirectory, tmp_path: Path) -> None:
    page = write_report(run).read_bytes()
    made = write_pdf(page, tmp_path / "report.pdf", find_chromium())
    content = made.read_bytes()
    assert content.startswith(b"%PDF")
    assert len(SLIDES.findall(content)) >= 3


@pytest.mark.parametrize("lang", ["en", "fr"])
def test_every_slide_is_one_page_and_nothing_is_cut_off(
    offline: BrowserContext, run: RunDirectory, tmp_path: Path, lang: str
) -> None:
    html = slides_html(deck_of(run, None), language(lang))
    source = tmp_path / "slides.html"
    source.write_text(html)
    seen = opened(offline, source)
    slides = seen.page.locator("section.slide")
    fits = "all => all.map(e => e.scrollHeight <= e.clientHeight && e.scrollWidth <= e.clientWidth)"
    assert seen.page.eval_on_selector_all("section.slide .content", fits) == [True] * slides.count()
    assert seen.asked == [source.as_uri()]
    assert seen.complaints == []
    content = write_pdf(html.encode(), tmp_path / "slides.pdf", find_chromium()).read_bytes()
    assert len(SLIDES.findall(content)) == slides.count()
    boxes = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) ([\d.]+)", content)
    assert {(round(float(w)), round(float(h))) for w, h in boxes} == {PAPER_POINTS}
