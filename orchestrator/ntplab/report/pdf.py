"""A page of ours on paper, by a Chromium of the distribution without a window.

The page asks for nothing from outside, and Chromium could not fetch it: every name is mapped to
nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import PdfError
from ..evidence.files import writing

PROGRAMS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
INSTALL = "sudo apt-get install -y chromium"
TIMEOUT_S = 180.0
TAIL_LINES = 8

Which = Callable[[str], str | None]


def find_chromium(named: str | None = None, which: Which = shutil.which) -> str:
    """The browser: the one `named`, or the first that is installed. Raises PdfError."""
    for program in (named,) if named else PROGRAMS:
        if found := which(program):
            return found
    if named:
        raise PdfError(f"{named}: no such program", hint="name a Chromium with --browser")
    raise PdfError(
        "a PDF is made by Chromium, and none is installed",
        hint=f"{INSTALL}; or print the HTML file from any browser",
    )


def write_pdf(html: bytes, target: Path, browser: str, timeout_s: float = TIMEOUT_S) -> Path:
    """Print `html` to `target`, in the size that its style sheet asks for.

    Raises PdfError with the browser's last words, DiskError where `target` cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="ntplab-pdf-") as scratch:
        source, made = Path(scratch) / "page.html", Path(scratch) / "page.pdf"
        source.write_bytes(html)
        _run(command(browser, source, made, Path(scratch)), made, timeout_s)
        with writing(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
            shutil.copyfile(made, temporary)
            temporary.replace(target)
    return target


def command(browser: str, source: Path, made: Path, scratch: Path) -> list[str]:
    """What prints one file."""
    # Chromium's own sandbox refuses to work for root, and this page has no script to be locked in.
    root = ["--no-sandbox"] if os.geteuid() == 0 else []
    return [
        browser,
        "--headless",
        *root,
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-extensions",
        "--no-first-run",
        "--no-pdf-header-footer",
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={scratch / 'profile'}",
        f"--print-to-pdf={made}",
        source.as_uri(),
    ]


def _run(argv: Sequence[str], made: Path, timeout_s: float) -> None:
    hint = f"`{INSTALL}` brings a working one; or print the HTML file from any browser"
    try:
        done = subprocess.run(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            timeout=timeout_s,
        )
    except OSError as error:
        raise PdfError(f"{argv[0]}: {error.strerror}", hint=hint) from error
    except subprocess.TimeoutExpired as error:
        raise PdfError(f"{argv[0]}: made no PDF within {timeout_s:.0f} s", hint=hint) from error
    if done.returncode != 0 or not made.exists() or not made.read_bytes().startswith(b"%PDF"):
        tail = done.stdout.decode(errors="replace").splitlines()[-TAIL_LINES:]
        raise PdfError(
            f"{argv[0]}: made no PDF (exit code {done.returncode})", hint=hint, log_tail=tail
        )
