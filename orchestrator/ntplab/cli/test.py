"""`test [KIND]`: every test of this repository, or those of one kind."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from ..errors import UsageError
from ..paths import REPO_DIR
from ..setup.host import Host, install
from .loading import ready_driver
from .output import out

KINDS = {
    "unit": ("tests/unit", "tests/golden"),
    "clock": ("tests/clock",),
    "lab": ("tests/lab",),
    "browser": ("tests/browser",),
}
NEEDED_PROGRAMS = {
    "gcc": "gcc",
    "make": "make",
    "musl-gcc": "musl-tools",
    "shellcheck": "shellcheck",
    "chromium": "chromium",
}
NEEDED_BY_KIND = {"browser": {"chromium": "chromium"}}
"""What only some tests need: a browser is large."""
NEEDS_LAB = ("lab", "browser")
# A real kernel to hold the virtual clock against; there is none for other processors.
NEEDED_ON_X86_64 = {"linux.uml": "user-mode-linux"}
# What these tests may be told, see tests/clock/test_differential.py.
TEST_SETTINGS = ("NTPLAB_DIFF_SCRIPTS", "NTPLAB_DIFF_SEED", "NTPLAB_SCREENSHOTS")
NEEDED_HEADERS = {"/usr/include/stdio.h": "libc6-dev"}


def run_tests(
    kind: Annotated[
        str | None,
        typer.Argument(
            metavar="KIND",
            help=f"One of {', '.join(KINDS)}; all by default.",
            autocompletion=lambda: list(KINDS),
        ),
    ] = None,
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="PYTEST", help="Passed to pytest, after --.")
    ] = None,
) -> None:
    """Run the tests, all or those of one kind.

    Installs the tools they need where they are missing; for the lab and browser tests, starts the
    engine and builds the images. What follows -- is passed to pytest.
    """
    if kind is not None and kind not in KINDS:
        raise UsageError(f"no tests of kind {kind!r}", hint=f"there are: {', '.join(KINDS)}")
    chosen = [kind] if kind else list(KINDS)
    install_tools(chosen)
    if set(chosen) & set(NEEDS_LAB):
        ready_driver(all_images=True)
    folders = [folder for name in chosen for folder in KINDS[name] if (REPO_DIR / folder).is_dir()]
    # Whoever starts us in the background may have had SIGINT ignored, and programs inherit that:
    # the ones that tests interrupt would not listen.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command = [sys.executable, "-m", "pytest", *folders, *(arguments or [])]
    raise typer.Exit(subprocess.run(command, cwd=REPO_DIR, env=_environment()).returncode)


def install_tools(kinds: Sequence[str]) -> None:
    """A C compiler, make and the like, from the distribution, where they are missing."""
    host = Host()
    needed = NEEDED_PROGRAMS | (NEEDED_ON_X86_64 if platform.machine() == "x86_64" else {})
    for kind in kinds:
        needed |= NEEDED_BY_KIND.get(kind, {})
    missing = [package for program, package in needed.items() if not host.which(program)]
    missing += [package for header, package in NEEDED_HEADERS.items() if not os.path.exists(header)]
    if missing:
        install(host, missing, "the tests need it", out.say)


def _environment() -> dict[str, str]:
    # The tests choose their own verbosity, colors and places; a user's variables do not.
    return {
        key: value
        for key, value in os.environ.items()
        if not key.startswith("NTPLAB_") or key in TEST_SETTINGS
    }
