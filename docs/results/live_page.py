"""Pictures of the live page, light and dark, from a real run.

    python docs/results/live_page.py RUN [NAME] [--at SHARE]

Replays RUN by `./ntplab ui`, goes to SHARE of its length (default: its end), and photographs the
page into docs/results/NAME-light.png and NAME-dark.png. Needs what the browser tests need
(requirements-test.txt and Chromium).
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

HERE = Path(__file__).parent
CHROMIUM = "/usr/bin/chromium"
SIZE = {"width": 1280, "height": 960}
TIMEOUT_MS = 180_000


@contextmanager
def page_of(run: str) -> Iterator[str]:
    """The address of a page that replays `run`."""
    command = [sys.executable, "-m", "ntplab", "ui", run, "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"http://\S+", process.stdout.readline())
        try:
            if found is None:
                raise SystemExit("the page did not begin")
            yield found[0]
        finally:
            process.terminate()


def photograph(browser: Browser, url: str, look: str, share: float, target: Path) -> None:
    """One picture: `look` is light or dark."""
    context = browser.new_context(viewport=SIZE, locale="en-US", color_scheme=look)
    page = context.new_page()
    page.set_default_timeout(TIMEOUT_MS)
    page.goto(url)
    page.wait_for_selector("body[data-ready]")
    move = "(one, share) => { one.value = 1000 * share; one.dispatchEvent(new Event('change')); }"
    with page.expect_response("**/api/replay"):
        page.locator("#seek").evaluate(move, share)
    wanted = "share => Math.abs(document.querySelector('#seek').value / 1000 - share) < 0.02"
    page.wait_for_function(wanted, arg=share)
    page.wait_for_function("() => document.querySelector('#chart canvas')")
    page.wait_for_timeout(500)  # animations of what is fresh come to their end
    page.screenshot(path=target)
    context.close()


def main() -> None:
    """As the module says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("name", nargs="?", default="live-page")
    parser.add_argument("--at", type=float, default=1.0, metavar="SHARE")
    given = parser.parse_args()
    with page_of(given.run) as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        for look in ("light", "dark"):
            photograph(browser, url, look, given.at, HERE / f"{given.name}-{look}.png")


if __name__ == "__main__":
    main()
