"""Pictures of sweeps: a heat map over two axes, curves along one, a row for each point."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from ..analysis.results import PhaseResult
from ..analysis.sweep_results import PointResult, SweepResults
from ..scenario import value_words
from ..units import parse_duration_ns, parse_ppm, parse_rate_hz
from .language import Language
from .load_figures import Rate, rates
from .plot import WIDTH, Plot, Point
from .scales import Band, of_shares
from .svg import drawing, element

CELL_WIDTH, CELL_HEIGHT = 96.0, 44.0
FACETS_MAX = 12
"""so many values of further axes get pictures of their own"""


@dataclass(frozen=True)
class Axis:
    """One axis: its values in order, as they are written; `numeric` if each is a quantity."""

    name: str
    values: tuple[str, ...]
    numeric: bool


@dataclass(frozen=True)
class Picture:
    """One drawing and what it is of."""

    caption: str
    svg: Markup


def axes_of(results: SweepResults) -> list[Axis]:
    """The axes that vary, the longest numeric one first."""
    axes = [_axis(name, values) for name, values in results.axes.items() if len(values) > 1]
    return sorted(axes, key=lambda axis: (not axis.numeric, -len(axis.values)))


def _axis(name: str, values: Sequence[Any]) -> Axis:
    quantities = [_quantity(value) for value in values]
    if all(quantity is not None for quantity in quantities):
        order = sorted(range(len(values)), key=lambda i: quantities[i] or 0.0)
        return Axis(name, tuple(value_words(values[i]) for i in order), True)
    return Axis(name, tuple(value_words(value) for value in values), False)


def _quantity(value: Any) -> float | None:
    """A duration, a frequency error, a rate or a plain number; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float)):
        return float(value)
    for parse in (parse_duration_ns, parse_ppm, parse_rate_hz):
        try:
            return float(parse(value))
        except ValueError:
            continue
    return None


def phase_names(results: SweepResults) -> list[str]:
    """Every phase of any point, in order."""
    return list(dict.fromkeys(p.name for point in results.points for p in point.phases))


Cells = Mapping[tuple[str, ...], tuple[PointResult, PhaseResult]]
"""the values of the axes, as words -> the point there"""


def pictures(results: SweepResults, say: Language) -> list[Picture]:
    """For every phase: a heat map and curves over the first two axes, or rows for the points."""
    axes = axes_of(results)
    made: list[Picture] = []
    for phase in phase_names(results):
        if len(axes) >= 2:
            for words, cells in _facets(results, phase, axes):
                about = ", ".join(filter(None, [phase, words]))
                made.append(Picture(say("heat_caption", of=about), heat(cells, axes, say, about)))
                if axes[0].numeric:
                    made.append(
                        Picture(say("curves_caption", of=about), curves(cells, axes, say, about))
                    )
        elif axes and axes[0].numeric and len(axes[0].values) > 2:
            cells = next((c for _, c in _facets(results, phase, axes)), {})
            made.append(Picture(say("curves_caption", of=phase), curves(cells, axes, say, phase)))
    return [Picture(say("rows_caption"), rows(results, say)), *made]


def _facets(
    results: SweepResults, phase: str, axes: Sequence[Axis]
) -> list[tuple[str, dict[tuple[str, ...], tuple[PointResult, PhaseResult]]]]:
    """The points of a phase, apart by the values of all axes but the first two."""
    plane, further = axes[:2], axes[2:]
    found: dict[str, dict[tuple[str, ...], tuple[PointResult, PhaseResult]]] = {}
    for point in results.points:
        seen = next((p for p in point.phases if p.name == phase), None)
        if seen is None or any(axis.name not in point.set for axis in axes):
            continue
        words = ", ".join(f"{a.name} {value_words(point.set[a.name])}" for a in further)
        where = tuple(value_words(point.set[axis.name]) for axis in plane)
        found.setdefault(words, {})[where] = (point, seen)
    return list(found.items())[:FACETS_MAX]


def heat(cells: Cells, axes: Sequence[Axis], say: Language, about: str) -> Markup:
    """The share sold twice, darker the higher, its number in every cell."""
    across, down = axes[0], axes[1]
    left = 30.0 + 7.0 * max(len(word) for word in (*down.values, down.name))
    top = 20.0
    # As wide as other charts at least: a few cells must not be blown up to fill the page.
    width = max(WIDTH, left + CELL_WIDTH * len(across.values) + 10)
    height = top + CELL_HEIGHT * len(down.values) + 44
    parts: list[str] = []
    for row, y_word in enumerate(down.values):
        y = top + CELL_HEIGHT * row
        parts.append(element("text", y_word, x=left - 8, y=y + 26, class_="tick-y"))
        for column, x_word in enumerate(across.values):
            x = left + CELL_WIDTH * column
            parts += _cell(cells.get((x_word, y_word)), x, y, say)
    foot = top + CELL_HEIGHT * len(down.values)
    for column, x_word in enumerate(across.values):
        x = left + CELL_WIDTH * (column + 0.5)
        parts.append(element("text", x_word, x=x, y=foot + 16, class_="tick-x"))
    middle = left + CELL_WIDTH * len(across.values) / 2
    parts.append(element("text", across.name, x=middle, y=foot + 36, class_="label-x"))
    parts.append(element("text", down.name, x=left - 8, y=13, class_="tick-y"))
    return drawing(width, height, say("heat_caption", of=about), parts, "heat")


def _cell(
    found: tuple[PointResult, PhaseResult] | None, x: float, y: float, say: Language
) -> list[str]:
    box: dict[str, float] = {"x": x + 1, "y": y + 1, "width": CELL_WIDTH - 2,
                             "height": CELL_HEIGHT - 2}  # fmt: skip
    if found is None:
        return [element("rect", class_="cell-none", **box)]
    bookings = found[1].bookings
    rate, trials = _share(found[1])[0], _share(found[1])[3]
    says = f"n = {trials}, {say('by_theory')}: "
    says += say.numbers.percent(bookings.prediction.rate if bookings.prediction else None)
    parts: list[str] = [element("rect", class_="cell-none", **box)]
    # A step of opacity per twentieth: darker is more, in every color scheme.
    level = round(rate * 20)
    parts.append(
        element(
            "rect", element("title", says), class_="cell", fill_opacity=f"{level / 20:.2f}", **box
        )
    )
    dark = " on-dark" if level > 9 else ""
    x_mid = x + CELL_WIDTH / 2
    text = say.numbers.percent(rate) if trials else say("no_trials_short")
    parts.append(element("text", text, x=x_mid, y=y + 20, class_=f"cell-text{dark}"))
    counts = f"{bookings.double_bookings}/{trials}"
    parts.append(element("text", counts, x=x_mid, y=y + 35, class_=f"cell-count{dark}"))
    return parts


def _share(phase: PhaseResult) -> tuple[float, float, float, int]:
    """Share of contested seats sold twice, interval, of how many: what theory can be held
    against. Without a prediction, the phase's own rate."""
    prediction, bookings = phase.bookings.prediction, phase.bookings
    if prediction is not None:
        return prediction.observed_rate, *prediction.ci95, prediction.seats
    return bookings.rate, *bookings.ci95, bookings.rate_trials


def curves(cells: Cells, axes: Sequence[Axis], say: Language, about: str) -> Markup:
    """A line for each value of the second axis along the first, whiskers and theory's diamonds."""
    across = axes[0]
    lines = axes[1].values if len(axes) > 1 else ("",)
    shares = [_share(phase) for _, phase in cells.values()]
    theory = [p.bookings.prediction.rate for _, p in cells.values() if p.bookings.prediction]
    highest = max([s[2] for s in shares if s[3]] + theory, default=0.0)
    plot = Plot(
        say("curves_caption", of=about),
        Band(len(across.values)),
        of_shares(highest),
        write_x=lambda i: across.values[int(i)],
        write_y=lambda share: say.numbers.percent(share),
        x_label=across.name,
        y_label=say("share_sold_twice"),
        right=150.0,
    )
    for number, y_word in enumerate(lines):
        class_, shift = f"s{number % 8}", 7.0 * (number - (len(lines) - 1) / 2)
        points: list[Point | None] = []
        for index, x_word in enumerate(across.values):
            found = cells.get((x_word, y_word) if len(axes) > 1 else (x_word,))
            if found is None or not _share(found[1])[3]:
                points.append(None)
                continue
            rate, low, high, trials = _share(found[1])
            points.append((float(index), rate))
            interval = say.numbers.interval(low, high)
            says = f"{y_word} {x_word}: {say.numbers.percent(rate)} ({interval}, n = {trials})"
            plot.interval(index, low, high, class_, shift)
            plot.dot(index, rate, class_, says.strip(), shift)
            if prediction := found[1].bookings.prediction:
                words = f"{say('by_theory')}: {say.numbers.percent(prediction.rate)}"
                plot.diamond(index, prediction.rate, class_, words, shift)
        name = f"{axes[1].name} {y_word}" if len(axes) > 1 else ""
        plot.line(points, class_, name)
    return plot.render()


def rows(results: SweepResults, say: Language) -> Markup:
    """Every point and phase as a row."""
    made = []
    for point in results.points:
        for phase in point.phases:
            rate, low, high, trials = _share(phase)
            prediction = phase.bookings.prediction
            words = ", ".join(value_words(value) for value in point.set.values())
            several = len(point.phases) > 1
            made.append(
                Rate(
                    f"{words} · {phase.name}" if several else words,
                    rate, low, high,
                    prediction.rate if prediction else None,
                    trials,
                    bool(prediction and prediction.disagreements),
                )
            )  # fmt: skip
    return rates(made, say, say("rows_caption"))
