"""`slides [RUN]`: a deck made from results."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..evidence import find_run
from ..evidence.files import write_atomic
from ..report import deck_of, find_chromium, language, report_name, slides_html, write_pdf
from ..report.writing import vouch
from .analyze import Which
from .options import Json
from .output import out
from .report import Browser, Lang, Target
from .run import Runs, relative

Cures = Annotated[
    str | None,
    typer.Option("--cures", metavar="RUN", help="A sweep over policies, for the slide of cures."),
]
Html = Annotated[bool, typer.Option("--html", help="The HTML only: needs no Chromium.")]


def slides(
    run: Which = "latest",
    cures: Cures = None,
    lang: Lang = "en",
    html: Html = False,
    target: Target = None,
    browser: Browser = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Make a deck of slides from a run's results.

    A PDF, slides.pdf in the run's directory. The text is docs/slides/deck.LANG.md, with places that
    the results fill. Of a sweep, the first point that sold a seat twice is told, and all points are
    on the slide of cures. Needs no Docker.
    """
    directory = find_run(run, runs)
    say = language(lang)
    program = None if html else find_chromium(browser)
    deck = deck_of(directory, find_run(cures, runs) if cures else None)
    content = slides_html(deck, say).encode()
    suffix = ".html" if html else ".pdf"
    made = target or directory.path / report_name(lang, suffix, "slides")
    if program:
        write_pdf(content, made, program)
    else:
        write_atomic(made, content)
    if target is None:
        vouch(directory, made.name)
    if json:
        out.json({"schema": 1, "run": directory.run_id, "files": [str(made)]})
    else:
        out.text(relative(made))
