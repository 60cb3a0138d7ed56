"""`docs`: this repository's documentation as a site that works offline."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from .. import __version__
from ..errors import DocsError, LabError
from ..paths import REPO_DIR
from .output import out
from .run import relative

SOURCES = REPO_DIR / "docs"
TAIL_LINES = 12

Target = Annotated[Path, typer.Option("--out", metavar="DIR", help="Where the site is written.")]


def docs(target: Target = Path("site")) -> None:
    """Build the documentation as a site.

    Sphinx makes pages of docs/. Strictly: a link that leads nowhere, or any other warning, fails.
    The site needs no network and no server: open its index.html.
    """
    target = target.absolute()
    require_sphinx()
    done = subprocess.run(command(SOURCES, target), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise DocsError(
            f"{SOURCES}: the site could not be built, or a page is wrong",
            log_tail=(done.stdout + done.stderr).splitlines()[-TAIL_LINES:],
            hint="each line above names a file and what is wrong in it",
        )
    out.text(f"{relative(target)}/index.html")


def require_sphinx() -> None:
    """Raises LabError where the environment has no Sphinx: it is no part of the lab's."""
    if importlib.util.find_spec("sphinx") is None:
        raise LabError(
            "Sphinx is not in this environment",
            hint="./ntplab docs puts it there, with what the tests need: requirements-test.txt",
        )


def command(sources: Path, target: Path) -> list[str]:
    """Every warning is an error; all of them are told."""
    strict = ["--fail-on-warning", "--keep-going", "--nitpicky", "--quiet"]
    build = ["-b", "html", "-D", f"version={__version__}", "-D", f"release={__version__}"]
    return [sys.executable, "-m", "sphinx", *strict, *build, str(sources), str(target)]
