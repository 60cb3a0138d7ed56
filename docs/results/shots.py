"""Screenshots of the reports in this folder: `docs/results/make.sh` runs it, with playwright."""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

CHROMIUM = "/usr/bin/chromium"
SHOTS = (
    ("concert/report.html", "report.png", 1000, 1150, "light", "h1"),
    ("concert/report.html", "report-dark.png", 1000, 900, "dark", "details"),
    ("cures/report.html", "report-sweep.png", 1000, 800, "light", "#seen"),
    ("concert/report.fr.html", "report-phone.png", 360, 740, "light", "h1"),
)
"""page, picture, width and height, color scheme, what is at its top"""


def shoot(browser: Browser, folder: Path) -> None:
    """Each page from disk, without a network."""
    for name, picture, width, height, scheme, top in SHOTS:
        context = browser.new_context(
            offline=True, color_scheme=scheme, viewport={"width": width, "height": height}
        )
        page = context.new_page()
        page.goto((folder / name).resolve().as_uri())
        page.locator(top).first.evaluate("e => e.scrollIntoView()")
        page.screenshot(path=folder / picture)
        context.close()


if __name__ == "__main__":
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        shoot(browser, Path(sys.argv[1]))
        browser.close()
