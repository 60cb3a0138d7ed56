"""A real lab, the real page, the distribution's Chromium."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import (
    Browser,
    BrowserContext,
    Error,
    Page,
    Request,
    expect,
    sync_playwright,
)

from ..lab import kit
from ..lab.kit import COMMAND, REPO, SCENARIOS, Cli, environment

expect.set_options(timeout=180_000)  # however busy the machine is

CHROMIUM = shutil.which("chromium") or "/usr/bin/chromium"
SHOTS = Path(os.environ.get("NTPLAB_SCREENSHOTS", REPO / ".cache" / "screenshots"))


NETWORK_CHANGED = "ERR_NETWORK_CHANGED"


def wait_for(what: str, look: Callable[[], object]) -> None:
    """As in the lab tests, with the patience of `expect`: a browser is a large program."""
    kit.wait_for(what, look, timeout_s=180)


@dataclass
class Ui:
    """`./ntplab ui`, running; `lab` is the name of the lab on it."""

    url: str
    lab: str
    cli: Cli
    process: subprocess.Popen[str]


@dataclass
class Watched:
    """A page and everything about it that must not have happened."""

    page: Page
    errors: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)


def start_ui(cli: Cli, *argv: str) -> tuple[subprocess.Popen[str], str]:
    """`ui` with a free port; its address once it answers."""
    process = subprocess.Popen(
        [*COMMAND, "ui", "--port", "0", *argv], cwd=cli.cwd, env=environment(),
        stdout=subprocess.PIPE, text=True, start_new_session=True,
        # Who runs tests by nohup has SIGHUP ignored, and the page would go by that.
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )  # fmt: skip
    assert process.stdout is not None
    said = process.stdout.readline()
    found = re.search(r"http://\S+", said)
    assert found, f"ui said {said!r} and ended with {process.poll()}"
    return process, found[0]


def end_ui(process: subprocess.Popen[str]) -> None:
    """Ctrl-C, as a person ends it; it seals what it recorded."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        process.wait(240)
    assert process.stdout is not None
    process.stdout.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Of one module: a process has but one Playwright at a time, and vps tests have one too."""
    with sync_playwright() as playwright:
        # Chromium's own sandbox needs rights that a container of CI does not give.
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Cli, str]]:
    """The lab of brief.yaml, up for all of these tests, and its name."""
    cli = Cli(tmp_path_factory.mktemp("ui"))
    lab = f"test-{secrets.token_hex(3)}"
    try:
        cli("up", str(SCENARIOS / "brief.yaml"), "--lab", lab)
        yield cli, lab
    finally:
        cli("down", "--lab", lab, exit_code=None)


@pytest.fixture(scope="module")
def ui(standing: tuple[Cli, str]) -> Iterator[Ui]:
    """The lab, lyon five seconds slow and NTP off, on a page of this module's own."""
    cli, lab = standing
    cli("ntp", "off", "--lab", lab)
    cli("clock", "set", "--lab", lab, "lyon", "-5s")
    process, url = start_ui(cli, "--lab", lab)
    try:
        yield Ui(url, lab, cli, process)
    finally:
        end_ui(process)


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 1200}, locale="en-US")
    yield context
    context.close()


def visit(context: BrowserContext, url: str) -> Watched:
    """Open the page and watch what it does: errors on the console, requests to anybody else."""
    watched = Watched(context.new_page())
    watched.page.set_default_timeout(180_000)

    def asked(request: Request) -> None:
        if not request.url.startswith((url, "data:")):
            watched.strangers.append(request.url)

    def said(message: object) -> None:
        text = str(getattr(message, "text", ""))
        # Labs of others come and go on this machine; the page copes, see boot.js.
        if getattr(message, "type", "") in ("error", "warning") and NETWORK_CHANGED not in text:
            watched.errors.append(text)

    watched.page.on("console", said)
    watched.page.on("pageerror", lambda error: watched.errors.append(str(error)))
    watched.page.on("request", asked)
    watched.page.goto(url)
    try:
        watched.page.wait_for_selector("body[data-ready]", timeout=180_000)
    except Error as error:
        stream = watched.page.locator("#link").inner_text()
        raise AssertionError(f"never drawn; stream: {stream!r}, {watched.errors}") from error
    return watched


def keep_shot(page: Page, name: str) -> None:
    """Screenshots are for people: what the page looked like in this run."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png")


__all__ = ["Ui", "Watched", "end_ui", "keep_shot", "start_ui", "visit", "wait_for"]
