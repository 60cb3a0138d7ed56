"""Pictures of clocks: divergence over time with phases and faults behind it, belief and truth."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from ..units import NS_PER_S
from .beliefs import Belief
from .language import Language
from .plot import SERIES, Plot, Point
from .samples import Course, Courses, Window
from .scales import Symlog, of_clocks, of_time
from .story import Story, Stretch

GAP_PIXELS = 3
GAP_NS = NS_PER_S
"""a line is broken where nothing was sampled for longer than either"""


def divergence(
    story: Story, window: Window, found: Courses, order: Sequence[str], say: Language, title: str
) -> Markup:
    """Every node's divergence in `window`; those beyond the colors there are become one band."""
    shown = [name for name in order if name in found]
    drawn, rest = (
        (shown, []) if len(shown) <= SERIES else (shown[: SERIES - 1], shown[SERIES - 1 :])
    )
    extremes = [value for name in shown for value in found[name].extremes_ns]
    plot = clock_plot(window, of_clocks(extremes), say, title)
    _phases(plot, story, window, say)
    _faults(plot, story, window, say)
    if rest:
        _envelope(plot, [found[name] for name in rest], window, say("the_others", n=len(rest)))
    for name in drawn:
        points = line_of(found[name], window, plot)
        plot.line(points, f"s{order.index(name)}", name)
    return plot.render()


def clock_plot(window: Window, scale: Symlog, say: Language, title: str) -> Plot:
    """An empty frame: seconds to the right, divergence upwards."""
    return Plot(
        title,
        of_time(window.start_ns, window.end_ns),
        scale,
        write_x=lambda s: say.numbers.real(s),
        write_y=lambda ns: say.numbers.duration(ns, signed=True),
        x_label=say("seconds_since_start"),
        y_label=say("clock_minus_truth"),
    )


def seconds(lab_ns: int, window: Window) -> float:
    """Since the beginning of the window."""
    return (lab_ns - window.start_ns) / NS_PER_S


def line_of(course: Course, window: Window, plot: Plot) -> list[Point | None]:
    """A course as a line: one point per pixel, two where samples of it differ visibly."""
    points: list[Point | None] = []
    last_ns: int | None = None
    gap_ns = max(GAP_NS, GAP_PIXELS * window.pixel_ns)
    for lab_ns, low, high in zip(course.lab_ns, course.low_ns, course.high_ns, strict=True):
        if last_ns is not None and lab_ns - last_ns > gap_ns:
            points.append(None)
        last_ns, x = lab_ns, seconds(lab_ns, window)
        if abs(plot.py(low) - plot.py(high)) < 0.5:
            points.append((x, (low + high) / 2))
        else:
            points += [(x, low), (x, high)]
    return _thinned(points, plot)


def _thinned(points: Sequence[Point | None], plot: Plot) -> list[Point | None]:
    """Without the inner points of level stretches: they change nothing."""
    level = [None if p is None else round(plot.py(p[1]), 1) for p in points]
    return [
        point
        for i, point in enumerate(points)
        if point is None
        or not 0 < i < len(points) - 1
        or not level[i - 1] == level[i] == level[i + 1]
    ]


def _envelope(plot: Plot, rest: Sequence[Course], window: Window, says: str) -> None:
    lows: dict[int, int] = {}
    highs: dict[int, int] = {}
    for course in rest:
        for lab_ns, low, high in zip(course.lab_ns, course.low_ns, course.high_ns, strict=True):
            lows[lab_ns] = min(lows.get(lab_ns, low), low)
            highs[lab_ns] = max(highs.get(lab_ns, high), high)
    times = sorted(lows)
    upper = [(seconds(t, window), float(highs[t])) for t in times]
    lower = [(seconds(t, window), float(lows[t])) for t in times]
    plot.area(upper, lower, "rest", says)


def _phases(plot: Plot, story: Story, window: Window, say: Language) -> None:
    for stretch in story.stretches:
        start_ns = max(stretch.start_ns, window.start_ns)
        end_ns = min(stretch.end_ns, window.end_ns)
        if start_ns < end_ns:
            label = _phase_label(stretch, say)
            x0, x1 = seconds(start_ns, window), seconds(end_ns, window)
            plot.span(x0, x1, f"phase ntp-{stretch.ntp}", label)
            if start_ns < stretch.load_ns < end_ns:
                plot.rule(seconds(stretch.load_ns, window), "load-begins", say("load_begins"))


def _phase_label(stretch: Stretch, say: Language) -> str:
    ntp = say(f"ntp_{stretch.ntp}")
    return (
        ntp if stretch.name.replace("-", " ").lower() == ntp.lower() else f"{stretch.name}: {ntp}"
    )


def _faults(plot: Plot, story: Story, window: Window, say: Language) -> None:
    for fault in story.faults:
        if window.start_ns <= fault.lab_ns <= window.end_ns:
            says = f"{fault.node}: {fault.kind} {fault.value}".strip()
            x0 = seconds(fault.lab_ns, window)
            x1 = seconds(min(fault.end_ns, window.end_ns), window)
            plot.span(x0, x1, "fault", "", says)
            plot.rule(x0, "fault-begins", says)


def belief(
    server: str,
    course: Course,
    reports: Sequence[Belief],
    window: Window,
    say: Language,
    series: int,
) -> Markup:
    """One server: its true divergence, what its daemon believes it is, and the bound it gives."""
    bounds = [b.bound_ns for b in reports if b.bound_ns is not None]
    values = [*course.extremes_ns, *(b.offset_ns for b in reports), *bounds, *(-b for b in bounds)]
    plot = clock_plot(window, of_clocks(values), say, say("belief_title", server=server))
    plot.height = 200.0
    bounded = [(seconds(b.lab_ns, window), float(b.bound_ns)) for b in reports
               if b.bound_ns is not None]  # fmt: skip
    plot.area(bounded, [(x, -y) for x, y in bounded], "bound", say("bound"))
    plot.line(line_of(course, window, plot), f"s{series}", say("truth"))
    for report in reports:
        when = f"{say('belief')}: {say.numbers.duration(report.offset_ns, signed=True)}"
        plot.dot(seconds(report.lab_ns, window), float(report.offset_ns), "belief", when)
    return plot.render("low")
