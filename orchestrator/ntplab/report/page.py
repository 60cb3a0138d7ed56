"""One run as a page: every picture drawn, every sentence said. Read `run_page` first."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
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
from . import clock_figures, load_figures
from .again import again
from .beliefs import Belief, beliefs_of, between
from .inequality import with_numbers
from .language import Language
from .limits import limits
from .load_data import load_of
from .numbers import NBSP, NOTHING
from .rendering import page
from .samples import Courses, Window, courses
from .story import Story, Stretch, tell, worst_first
from .topology_figure import topology

_FIELD = re.compile(r"(\w+)\s*\)?\s*[<>=!]=?[^<>=!\]]*$")
"""the name before the comparison of an expectation"""
DOUBLES_SHOWN = 60
"""double bookings of one phase told in full; the others are in results.json"""
BELIEFS_SHOWN = 6
"""servers whose belief is drawn, those that strayed farthest first"""
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
    stretch: Stretch | None
    divergence: Markup | None
    beliefs: Sequence[tuple[str, Markup]]
    """what it is of, and the picture"""
    changes: Sequence[tuple[int, str, str, str, int]]
    """when, node, what, value, seen so long after"""
    doubles: Sequence[DoubleView]
    more_doubles: int


def run_page(run: RunDirectory, results: Results, say: Language) -> str:
    """The report of one run, as HTML.

    1. tell the story of its events
    2. read the clock samples once, for every picture of them
    3. draw: the whole run, every phase, the load
    4. put it into the template
    """
    evidence = Evidence(run)
    story = tell(evidence, results)
    order = worst_first(results)
    windows = _windows(story)
    found = courses(evidence, windows)
    reports = beliefs_of(evidence)
    whole, inside = (
        windows[0],
        dict(zip((s.name for s in story.stretches), windows[1:], strict=True)),
    )
    by_phase = dict(zip(inside, found[1:], strict=True))
    seen = load_of(evidence, whole, {p.name: p.trial_of or p.name for p in story.manifest.phases})
    values = {
        **common_values(run, story.manifest.command_line, say),
        "title": say("report_of", scenario=results.scenario),
        "manifest": story.manifest,
        "description": str(story.manifest.scenario.get("description", "")).strip(),
        "results": results,
        "order": order,
        "overview": clock_figures.divergence(
            story, whole, found[0], order, say, say("divergence_title")
        )
        if found[0]
        else None,
        "rates": load_figures.rates(_rates(results), say, say("rates_title")),
        "load": load_figures.load(story, whole, seen, say),
        "latency": load_figures.latency(seen, [p.name for p in results.phases], say),
        "phases": [
            _phase(phase, story, inside.get(phase.name), by_phase.get(phase.name, {}), reports,
                   order, say)
            for phase in results.phases
        ],
        "limits": limits(story, say),
        "again": again(story.manifest, shown_folder(run)),
        "topology": topology(story.manifest, say),
    }  # fmt: skip
    return page("run.html.j2", "report.css", values)


def common_values(run: RunDirectory, command_line: Sequence[str], say: Language) -> dict[str, Any]:
    """What every page is given."""
    return {
        "say": say,
        "observed": lambda found: observed(found, say),
        "n": say.numbers,
        "lang": say.code,
        "folder": shown_folder(run),
        "raw": [name for name in RAW if (run.path / name).exists()],
        "command_line": list(command_line),
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


def _windows(story: Story) -> list[Window]:
    """The whole run, then each phase."""
    phases = [Window(s.start_ns, s.end_ns) for s in story.stretches]
    return [Window(story.start_ns, story.end_ns), *phases]


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


def _phase(
    phase: PhaseResult,
    story: Story,
    window: Window | None,
    found: Courses,
    reports: Mapping[str, Sequence[Belief]],
    order: Sequence[str],
    say: Language,
) -> PhaseView:
    stretch = story.stretch(phase.name)
    divergence = None
    if window is not None and found:
        title = say("divergence_phase", phase=phase.name)
        divergence = clock_figures.divergence(story, window, found, order, say, title)
    shown = phase.bookings.double_booking_details[:DOUBLES_SHOWN]
    return PhaseView(
        result=phase,
        stretch=stretch,
        divergence=divergence,
        beliefs=_beliefs(window, found, reports, order, say) if window else (),
        changes=_changes(story, stretch, say) if stretch else (),
        doubles=[double_view(double, say) for double in shown],
        more_doubles=phase.bookings.double_bookings - len(shown),
    )


def _beliefs(
    window: Window,
    found: Courses,
    reports: Mapping[str, Sequence[Belief]],
    order: Sequence[str],
    say: Language,
) -> list[tuple[str, Markup]]:
    drawn: list[tuple[str, Markup]] = []
    for index, server in enumerate(order):
        inside = between(reports.get(server, ()), window.start_ns, window.end_ns)
        if inside and server in found and len(drawn) < BELIEFS_SHOWN:
            picture = clock_figures.belief(server, found[server], inside, window, say, index % 8)
            drawn.append((say("belief_title", server=server), picture))
    return drawn


def _changes(
    story: Story, stretch: Stretch, say: Language
) -> list[tuple[int, str, str, str, int]]:  # fmt: skip
    """Faults and NTP switches of a phase, by time."""
    faults = [
        (fault.lab_ns, fault.node, fault.kind, fault.value, fault.lab_ns - fault.asked_ns)
        for fault in story.faults_in(stretch.name)
        if fault.kind not in ("ntp-on", "ntp-off")
    ]
    switches = [
        (s.lab_ns, s.node, say(f"ntp_{s.state}"), "", s.lab_ns - s.asked_ns)
        for s in story.switches
        if stretch.start_ns <= s.lab_ns <= stretch.end_ns
    ]
    return sorted([*faults, *switches])


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
