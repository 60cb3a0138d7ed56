"""`report RUN`: a run as one page that stands alone."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import UsageError
from ..evidence import RunDirectory, find_run
from ..evidence.files import write_atomic
from ..report import CODES, find_chromium, language, report_name, write_pdf, write_report
from ..report.writing import points_of, render, vouch
from .analyze import Which
from .options import Json
from .output import out
from .run import Runs, relative

Lang = Annotated[
    str,
    typer.Option(
        "--lang", metavar="LANG", help=" or ".join(CODES) + ".", autocompletion=lambda: list(CODES)
    ),
]
Pdf = Annotated[bool, typer.Option("--pdf", help="A PDF as well; needs Chromium.")]
Browser = Annotated[
    str | None,
    typer.Option("--browser", metavar="PROGRAM", help="Which Chromium makes the PDF."),
]
Target = Annotated[
    Path | None,
    typer.Option("--out", metavar="FILE", help="Write it there, and nothing into the run."),
]
Points = Annotated[
    bool, typer.Option("--points", help="Of a sweep: a report of each of its points, too.")
]


def report(
    run: Which = "latest",
    lang: Lang = "en",
    pdf: Pdf = False,
    points: Points = False,
    target: Target = None,
    browser: Browser = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Make a run's report: one HTML file that stands alone.

    It needs no network and no script. Every run ends with one, report.html in its directory; this
    makes it again, in another language (report.fr.html), or as a PDF beside it. Needs no Docker.
    """
    directory = find_run(run, runs)
    language(lang)
    if target is not None and points:
        raise UsageError(
            "--out names one file, --points makes several", hint="leave one of them out"
        )
    program = find_chromium(browser) if pdf else None
    if target is not None:
        made = write_elsewhere(directory, target, lang, program)
    else:
        wanted = [*points_of(directory, wanted=points), directory]
        made = [path for one in wanted for path in write_inside(one, lang, program)]
    show(directory, made, json=json)


def write_inside(run: RunDirectory, lang: str, program: str | None) -> list[Path]:
    """The report in its run directory, and its PDF where a `program` is to make one."""
    made = [write_report(run, lang)]
    if program:
        pdf = run.path / report_name(lang, ".pdf")
        made.append(write_pdf(made[0].read_bytes(), pdf, program))
        vouch(run, pdf.name)
    return made


def write_elsewhere(
    run: RunDirectory, target: Path, lang: str, program: str | None
) -> list[Path]:  # fmt: skip
    """The report as `target`, its PDF beside it; the run directory stays as it is."""
    content = render(run, language(lang), linked=False).encode()
    write_atomic(target, content)
    return [target, *([write_pdf(content, target.with_suffix(".pdf"), program)] if program else [])]


def show(run: RunDirectory, made: list[Path], *, json: bool) -> None:
    """Which files were made."""
    if json:
        out.json({"schema": 1, "run": run.run_id, "files": [str(path) for path in made]})
        return
    for path in made:
        out.text(relative(path))
    out.next(
        f"open {relative(made[-1])} in a browser; ./ntplab slides makes a deck of the same run"
    )
