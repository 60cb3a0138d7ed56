"""A deck of slides made from results: text with places in docs/slides, HTML, PDF.

A deck is Markdown with Jinja2 places in it, slides apart by `---`. Every value put into a place is
escaped first: a buyer called `**x**` is shown as that. A place of a picture must stand alone in
its paragraph.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markdown_it import MarkdownIt
from markupsafe import Markup

from ..analysis.results import PhaseResult, Results
from ..analysis.sweep_results import SweepResults
from ..analysis.train import is_train
from ..errors import EvidenceError
from ..evidence import Evidence, RunDirectory
from ..paths import REPO_DIR
from ..scenario import value_words
from . import clock_figures, load_figures, sweep_figures
from .language import Language
from .numbers import NOTHING
from .page import double_view, rate_of, shown_folder
from .rendering import page
from .samples import Window, courses
from .story import tell, worst_first
from .topology_figure import topology
from .writing import read_results

DECKS = REPO_DIR / "docs" / "slides"
OPEN, CLOSE = "\ue000", "\ue001"
"""around the name of a picture, while Markdown is made HTML"""
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>&~])")
_BREAK = re.compile(r"^---$", re.MULTILINE)
_PICTURE = re.compile(f"<p>{OPEN}(\\w+){CLOSE}</p>")


class Place(str):
    """Text that is Markdown already: put in as it is."""


@dataclass(frozen=True)
class Deck:
    """What slides are made of: one run, and the sweep that shows the cures, where there is one."""

    run: RunDirectory
    results: Results
    sweep: tuple[RunDirectory, SweepResults] | None


def deck_of(run: RunDirectory, cures: RunDirectory | None) -> Deck:
    """Of a sweep, the first point that sold a seat twice is the run that is told. Raises
    EvidenceError where nothing was judged, no seats were sold, or `cures` is no sweep."""
    if is_train(run.read_manifest()):
        raise EvidenceError(
            f"{run.path}: the slides tell of seats, and this run sold train tickets",
            hint=f"./ntplab report {run.path} tells of it",
        )
    results = read_results(run)
    sweep = _sweep(cures) if cures else None
    if isinstance(results, Results):
        return Deck(run, results, sweep)
    sweep = sweep or (run, results)
    judged = [point for point in results.points if point.folder]
    if not judged:
        raise EvidenceError(f"{run.path}: no point of this sweep came to its end")
    told = next((p for p in judged if any(x.bookings.double_bookings for x in p.phases)), judged[0])
    folder = RunDirectory(run.path / str(told.folder))
    of_point = read_results(folder)
    assert isinstance(of_point, Results)
    return Deck(folder, of_point, sweep)


def _sweep(run: RunDirectory) -> tuple[RunDirectory, SweepResults]:
    results = read_results(run)
    if isinstance(results, Results):
        raise EvidenceError(
            f"{run.path}: is no sweep", hint="./ntplab run playbooks/scenarios/cures.yaml makes one"
        )
    return run, results


def slides_html(deck: Deck, say: Language) -> str:
    """The deck as a page, a section for each slide."""
    pictures = draw(deck, say)
    text = fill(say.code, values_of(deck, pictures, say))
    slides = [to_html(part, pictures) for part in _BREAK.split(text) if part.strip()]
    values = {"lang": say.code, "title": deck.results.scenario, "slides": slides,
              "footer": f"ntplab · {deck.results.scenario} · {deck.results.run}"}  # fmt: skip
    return page("slides.html.j2", "slides.css", values)


def fill(lang: str, values: Mapping[str, Any]) -> str:
    """The deck's text with every place filled. Raises EvidenceError that names file and line."""
    name = f"deck.{lang}.md"
    places = Environment(
        loader=FileSystemLoader(DECKS),
        undefined=StrictUndefined,
        autoescape=False,  # Markdown: `finalize` escapes it
        finalize=lambda value: value if isinstance(value, Place) else escaped(str(value)),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        return places.get_template(name).render(values)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        where = f"{DECKS / name}:{line}" if line else str(DECKS / name)
        raise EvidenceError(
            f"{where}: {error.message or 'no such deck'}",
            hint="docs/how-to.md lists what a deck may name",
        ) from error


def escaped(text: str) -> str:
    """`text` so that Markdown shows it as it is, on one line."""
    plain = text.replace(OPEN, "").replace(CLOSE, "")
    return _MARKDOWN.sub(r"\\\1", " ".join(plain.split()) if "\n" in plain else plain)


def code(text: str) -> Place:
    """`text` for between backticks, where Markdown knows no escapes."""
    plain = " ".join(text.split()).replace("`", "'").replace(OPEN, "").replace(CLOSE, "")
    return Place(plain or "-")


def to_html(text: str, pictures: Mapping[str, Markup]) -> Markup:
    """One slide. No HTML of the text's own is let through; pictures are put in afterwards."""
    markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
    html = markdown.render(text)
    return Markup(_PICTURE.sub(lambda m: f"<figure>{pictures.get(m[1], '')}</figure>", html))


def draw(deck: Deck, say: Language) -> dict[str, Markup]:
    """Every picture that there is something to draw for, by name."""
    evidence, results = Evidence(deck.run), deck.results
    story = tell(evidence, results)
    window = Window(story.start_ns, story.end_ns)
    (found,) = courses(evidence, [window])
    pictures = {
        "topology": topology(story.manifest, say),
        "rates": load_figures.rates(
            [rate_of(p, p.name) for p in results.phases], say, say("rates_title")
        ),
    }
    if found:
        pictures["divergence"] = clock_figures.divergence(
            story, window, found, worst_first(results), say, say("divergence_title")
        )
    pair = next((d for p in results.phases for d in p.bookings.double_booking_details), None)
    if pair and (drawn := double_view(pair, say).svg):
        pictures["pair"] = drawn
    if deck.sweep:
        pictures["points"] = sweep_figures.rows(deck.sweep[1], say)
    return pictures


def values_of(deck: Deck, pictures: Mapping[str, Markup], say: Language) -> dict[str, Any]:
    """What the places of a deck may name."""
    phases = [phase_values(phase, say) for phase in deck.results.phases]
    manifest = deck.run.read_manifest()
    details = [d for p in deck.results.phases for d in p.bookings.double_booking_details]
    example = double_view(details[0], say) if details else None
    return {
        "scenario": deck.results.scenario,
        "description": str(manifest.scenario.get("description", "")),
        "policy": deck.results.policy,
        "seed": deck.results.seed,
        "verdict": say(f"verdict_{deck.results.verdict}"),
        "servers": len(manifest.servers),
        "folder_code": code(shown_folder(deck.run)),
        "phases": phases,
        "off": _most(p for p in phases if p["ntp"] == "off"),
        "on": next((p for p in reversed(phases) if p["ntp"] == "on"), None),
        "example": {
            "words": example.words,
            "numbers": example.numbers,
            "inequality_code": code(example.pair.inequality if example.pair else ""),
        }
        if example
        else None,
        "picture": {name: Place(f"{OPEN}{name}{CLOSE}") for name in pictures},
        "cures": cure_rows(deck.sweep[1], say) if deck.sweep else [],
        "kernel": manifest.kernel,
        "commit_code": code(manifest.git_commit[:12]),
        "started": manifest.started_at[:10],
    }


def phase_values(phase: PhaseResult, say: Language) -> dict[str, Any]:
    """One phase; numbers as they are written, but for `doubles_count`."""
    bookings, write = phase.bookings, say.numbers
    return {
        "name": phase.name,
        "ntp": phase.ntp,
        "ntp_words": say(phase.ntp or "keep"),
        "apart": write.duration(phase.divergence.pairwise_max_ns),
        "doubles": write.count(bookings.double_bookings),
        "doubles_count": bookings.double_bookings,
        "opportunities": write.count(bookings.opportunities),
        "contested": write.count(bookings.contested_seats),
        "theory": write.real(bookings.prediction.expected) if bookings.prediction else NOTHING,
        "rate": write.percent(bookings.rate),
        "interval": write.interval(*bookings.ci95),
        "availability": write.percent(bookings.availability),
        "p95": write.millis(bookings.latency_ms.p95),
        "to_1ms": write.seconds(phase.sync.seconds_to_1ms),
    }


def _most(phases: Any) -> dict[str, Any] | None:
    """The phase with most seats sold twice."""
    most: dict[str, Any] | None = max(phases, key=lambda p: p["doubles_count"], default=None)
    return most


def cure_rows(results: SweepResults, say: Language) -> Sequence[Mapping[str, Any]]:
    """A row for every point: what it set, and its phases by the state of NTP."""
    rows = []
    for point in results.points:
        by_ntp = {phase.ntp: phase_values(phase, say) for phase in point.phases}
        words = ", ".join(value_words(value) for value in point.set.values())
        rows.append({"point": words, "off": by_ntp.get("off"), "on": by_ntp.get("on")})
    return rows
