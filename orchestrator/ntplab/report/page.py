"""One run as a page: every picture drawn, every sentence said. Read `run_page` first."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..analysis.results import (
    DoubleBooking,
    ExpectationResult,
    PairExplanation,
    PhaseResult,
    Results,
)
from ..evidence import Evidence, RunDirectory
from . import load_figures
from .again import again
from .clock_views import Clocks, ClockView, clocks_of
from .inequality import with_numbers
from .language import Language
from .limits import limits
from .load_data import load_of
from .numbers import NBSP, NOTHING
from .rendering import page
from .story import Story, tell
from .topology_figure import topology

_FIELD = re.compile(r"(\w+)\s*\)?\s*[<>=!]=?[^<>=!\]]*$")
"""the name before the comparison of an expectation"""
DOUBLES_SHOWN = 60
"""double bookings of one phase told in full; the others are in results.json"""
RAW = (
    "manifest.json", "scenario.yaml", "plan.json", "results.json", "events.jsonl", "SHA256SUMS",
    "evidence", "logs", "rendered", "journal.json", "points",
)  # fmt: skip


@dataclass(frozen=True)
class DoubleView:
    """One seat sold twice, ready to be shown."""

    seat: str
    status: str
    cause: str
    words: str
    pair: PairExplanation | None
    numbers: str
    svg: Markup | None


@dataclass(frozen=True)
class PhaseView:
    """One phase, ready to be shown."""

    result: PhaseResult
    clocks: ClockView
    doubles: Sequence[DoubleView]
    more_doubles: int


def run_page(run: RunDirectory, results: Results, say: Language, linked: bool = True) -> str:
    """The report of one run, as HTML.

    1. tell the story of its events
    2. draw the clocks: the whole run and every phase
    3. draw the load, and each seat sold twice
    4. put it into the template
    """
    evidence = Evidence(run)
    story = tell(evidence, results)
    clocks = clocks_of(evidence, story, say)
    trial_of = {phase.name: phase.trial_of or phase.name for phase in story.manifest.phases}
    seen = load_of(evidence, clocks.window, trial_of)
    values = {
        **story_values(run, story, clocks, say, linked),
        "rates": load_figures.rates(_rates(results), say, say("rates_title")),
        "load": load_figures.load(story, clocks.window, seen, say),
        "latency": load_figures.latency(seen, [p.name for p in results.phases], say),
        "phases": [_phase(phase, clocks, say) for phase in results.phases],
        "limits": limits(story, say),
    }
    return page("run.html.j2", "report.css", values)


def common_values(
    run: RunDirectory, command_line: Sequence[str], say: Language, linked: bool
) -> dict[str, Any]:
    """What every page is given. `linked`: it will stand in the run directory."""
    return {
        "say": say,
        "observed": lambda found: observed(found, say),
        "n": say.numbers,
        "lang": say.code,
        "folder": shown_folder(run),
        "linked": linked,
        "raw": [name for name in RAW if (run.path / name).exists()],
        "command_line": list(command_line),
    }


def story_values(
    run: RunDirectory, story: Story, clocks: Clocks, say: Language, linked: bool
) -> dict[str, Any]:
    """What the page of a run is given, whatever system it was of."""
    manifest = story.manifest
    return {
        **common_values(run, manifest.command_line, say, linked),
        "title": say("report_of", scenario=story.results.scenario),
        "manifest": manifest,
        "description": str(manifest.scenario.get("description", "")).strip(),
        "results": story.results,
        "overview": clocks.overview,
        "again": again(manifest, shown_folder(run)),
        "topology": topology(manifest, say),
    }


def observed(found: ExpectationResult, say: Language) -> str:
    """What an expectation saw, with the unit that the name of its field ends in."""
    value, field = found.observed, _FIELD.search(found.expect)
    if value is None or field is None:
        return NOTHING if value is None else say.numbers.real(value, 6)
    if field[1].endswith("_ns"):
        return say.numbers.duration(value, digits=5)
    return say.numbers.real(value, 6) + (f"{NBSP}s" if "seconds_to_" in field[1] else "")


def shown_folder(run: RunDirectory) -> str:
    """The run directory as `./ntplab` finds it from the repository: below `runs/` where it is."""
    parts = run.path.parts
    if "runs" in parts:
        return str(Path(*parts[len(parts) - 1 - parts[::-1].index("runs") :]))
    return str(run.path)


def _rates(results: Results) -> list[load_figures.Rate]:
    return [rate_of(phase, phase.name) for phase in results.phases]


def rate_of(phase: PhaseResult, label: str) -> load_figures.Rate:
    """The share of contested seats sold twice, beside theory on the same seats."""
    found, bookings = phase.bookings.prediction, phase.bookings
    if found is None:
        low, high = bookings.ci95
        return load_figures.Rate(label, bookings.rate, low, high, None, bookings.rate_trials)
    low, high = found.ci95
    return load_figures.Rate(
        label, found.observed_rate, low, high, found.rate, found.seats, bool(found.disagreements)
    )


def _phase(phase: PhaseResult, clocks: Clocks, say: Language) -> PhaseView:
    shown = phase.bookings.double_booking_details[:DOUBLES_SHOWN]
    return PhaseView(
        result=phase,
        clocks=clocks.phase(phase.name),
        doubles=[double_view(double, say) for double in shown],
        more_doubles=phase.bookings.double_bookings - len(shown),
    )


def double_view(double: DoubleBooking, say: Language) -> DoubleView:
    """One seat sold twice: its words, its numbers, its picture."""
    pair: PairExplanation | None = next(
        (p for p in double.pairs if p.status == double.status), None
    )
    drawing = load_figures.pair(pair, say) if pair else None
    words = double.words or double.reason
    if say.code != "en" and pair is not None:
        words = _sentence(pair, say) or words
    numbers = with_numbers(pair.inequality, pair.numbers_ns, say.numbers) if pair else ""
    return DoubleView(double.seat, double.status, double.cause, words, pair, numbers, drawing)


def _sentence(pair: PairExplanation, say: Language) -> str:
    """Both claims in words, in a language that results.json is not written in."""
    values: dict[str, object] = {}
    times = []
    for letter, claim in (("a", pair.first), ("b", pair.second)):
        times.append(claim.claimed_lab_ns)
        values |= {
            f"{letter}_server": claim.server,
            f"{letter}_buyer": claim.buyer,
            f"{letter}_stamp": say.numbers.time(claim.stamp_ns),
            f"{letter}_true": say.numbers.time(claim.claimed_lab_ns),
            f"{letter}_off": say.numbers.duration(claim.divergence_ns, signed=True),
        }
    if times[0] is None or times[1] is None:
        return ""
    return say("pair_sentence", gap=say.numbers.duration(times[1] - times[0]), **values)
