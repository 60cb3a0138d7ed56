"""Everything that a page shows of clocks, whatever system they are the clocks of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from ..evidence import Evidence
from . import clock_figures
from .beliefs import Belief, beliefs_of, between
from .language import Language
from .samples import Courses, Window, courses
from .story import Story, Stretch, worst_first

BELIEFS_SHOWN = 6
"""servers whose belief is drawn, those that strayed farthest first"""

Change = tuple[int, str, str, str, int]
"""when, node, what, value, seen so long after"""


@dataclass(frozen=True)
class ClockView:
    """The clocks of one phase. `beliefs`: what each picture is of, and the picture."""

    divergence: Markup | None
    beliefs: Sequence[tuple[str, Markup]]
    changes: Sequence[Change]


NOTHING_SEEN = ClockView(None, (), ())


@dataclass(frozen=True)
class Clocks:
    """Those of a run. `window`: all of it. `order`: nodes, the one that strayed farthest first."""

    window: Window
    order: Sequence[str]
    overview: Markup | None
    phases: Mapping[str, ClockView]

    def phase(self, name: str) -> ClockView:
        return self.phases.get(name, NOTHING_SEEN)


def clocks_of(evidence: Evidence, story: Story, say: Language) -> Clocks:
    """Read the samples once, draw the whole run and every phase."""
    order = worst_first(story.results)
    whole = Window(story.start_ns, story.end_ns)
    windows = [Window(s.start_ns, s.end_ns) for s in story.stretches]
    found = courses(evidence, [whole, *windows])
    reports = beliefs_of(evidence)
    overview = None
    if found[0]:
        title = say("divergence_title")
        overview = clock_figures.divergence(story, whole, found[0], order, say, title)
    phases = {
        stretch.name: _phase(story, stretch, window, inside, reports, order, say)
        for stretch, window, inside in zip(story.stretches, windows, found[1:], strict=True)
    }
    return Clocks(whole, order, overview, phases)


def _phase(
    story: Story,
    stretch: Stretch,
    window: Window,
    found: Courses,
    reports: Mapping[str, Sequence[Belief]],
    order: Sequence[str],
    say: Language,
) -> ClockView:
    divergence = None
    if found:
        title = say("divergence_phase", phase=stretch.name)
        divergence = clock_figures.divergence(story, window, found, order, say, title)
    beliefs = _beliefs(window, found, reports, order, say)
    return ClockView(divergence, beliefs, _changes(story, stretch, say))


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


def _changes(story: Story, stretch: Stretch, say: Language) -> list[Change]:
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
