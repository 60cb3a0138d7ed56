"""`test [KIND]`: every test of this repository, or those of one kind."""

from __future__ import annotations

import os
import platform
import signal
from collections.abc import Sequence
from typing import Annotated

import typer

from ..errors import UsageError
from ..paths import REPO_DIR
from ..setup.compose import ensure_compose
from ..setup.host import Host, install
from .loading import ready_driver
from .output import out
from .testing import Outcome, exit_code, goes_on, parts_of, run_pytest, summary

KINDS = {
    "unit": ("tests/unit", "tests/golden"),
    "clock": ("tests/clock",),
    "lab": ("tests/lab",),
    "browser": ("tests/browser",),
    "vps": ("tests/vps",),
}
NEEDED_PROGRAMS = {
    "gcc": "gcc",
    "make": "make",
    "musl-gcc": "musl-tools",
    "shellcheck": "shellcheck",
}
NEEDED_BY_KIND = {
    "browser": {"chromium": "chromium"},
    "vps": {
        "chromium": "chromium",
        "openssl": "openssl",
        "ssh": "openssh-client",
        "ip": "iproute2",
        "mke2fs": "e2fsprogs",
        "mmdebstrap": "mmdebstrap",
    },
}
"""What only some tests need: a browser is large, and hosts are reached by SSH."""
NEEDS_LAB = ("lab", "browser", "vps")
# A real kernel to hold the virtual clock against; there is none for other processors.
NEEDED_ON_X86_64 = {"linux.uml": "user-mode-linux"}
# What these tests may be told, see tests/clock/test_differential.py.
TEST_SETTINGS = ("NTPLAB_DIFF_SCRIPTS", "NTPLAB_DIFF_SEED", "NTPLAB_SCREENSHOTS")
WITHOUT_LONG = ("-m", "not long")
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

    Installs the tools they need where they are missing; for the lab, browser and vps tests, starts
    the engine and builds the images. Kinds unit and clock run in parallel, in as many processes as
    there are processors; labs three at a time; what measures this machine alone, at the end. What
    follows -- is passed to pytest. Without KIND, tests that take minutes each are left out: hosts
    with kernels of their own, which `test vps` sets wrong and right again.
    """
    chosen, passed_on = kinds_and_arguments(kind, arguments or [])
    install_tools(chosen)
    if set(chosen) & set(NEEDS_LAB):
        ready_driver(all_images=True)
    if "vps" in chosen:
        ensure_compose(out.say)
    # Whoever starts us in the background may have had SIGINT ignored, and programs inherit that:
    # the ones that tests interrupt would not listen.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    outcomes: list[Outcome] = []
    for kinds, how in parts_of(chosen):
        folders = [folder for name in kinds for folder in KINDS[name]]
        there = [folder for folder in folders if (REPO_DIR / folder).is_dir()]
        outcomes.append(run_pytest([*there, *how, *passed_on], _environment()))
        if not goes_on(outcomes[-1]):
            break
    if len(outcomes) > 1:
        out.say(summary(outcomes))
    raise typer.Exit(exit_code(outcomes))


def kinds_and_arguments(first: str | None, rest: list[str]) -> tuple[list[str], list[str]]:
    """What to test, and what pytest is passed: a first word that is an option is pytest's."""
    if first is None or first.startswith("-"):
        return list(KINDS), [*WITHOUT_LONG, *([first] if first else []), *rest]
    if first not in KINDS:
        raise UsageError(f"no tests of kind {first!r}", hint=f"there are: {', '.join(KINDS)}")
    return [first], rest


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
