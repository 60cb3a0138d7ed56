"""A frame with two axes, and what is drawn in it. Pure; knows nothing of clocks or seats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

from .scales import Scale
from .svg import drawing, element, path

WIDTH, HEIGHT = 860.0, 260.0
LABEL_HEIGHT = 13.0
SERIES = 8
"""so many series have a color and a dash pattern of their own"""

Point = tuple[float, float]
Write = Callable[[float], str]


@dataclass
class Plot:
    """Collects marks in the order of drawing; `render` puts axes around them.

    Coordinates given to its methods are values; the scales turn them into places.
    """

    title: str
    x: Scale
    y: Scale
    write_x: Write
    write_y: Write
    x_label: str = ""
    y_label: str = ""
    width: float = WIDTH
    height: float = HEIGHT
    left: float = 64.0
    right: float = 96.0
    top: float = 34.0
    bottom: float = 38.0
    _back: list[str] = field(default_factory=list)
    _marks: list[str] = field(default_factory=list)
    _ends: list[tuple[float, str, str]] = field(default_factory=list)

    def px(self, value: float) -> float:
        """Where a value is, from the left."""
        return self.left + self.x.at(value) * (self.width - self.left - self.right)

    def py(self, value: float) -> float:
        """Where a value is, from the top."""
        return self.height - self.bottom - self.y.at(value) * (self._depth)

    @property
    def _depth(self) -> float:
        return self.height - self.top - self.bottom

    def span(self, x0: float, x1: float, class_: str, label: str, says: str = "") -> None:
        """A stretch of x behind everything, its label above."""
        left, right = self.px(x0), self.px(x1)
        self._back.append(
            element(
                "rect",
                element("title", says or label),
                x=left, y=self.top, width=max(right - left, 1.0), height=self._depth, class_=class_,
            )
        )  # fmt: skip
        if label and right - left > 5.5 * len(label):
            self._back.append(
                element("text", label, x=(left + right) / 2, y=self.top - 5, class_="span-label")
            )

    def rule(self, x: float, class_: str, says: str) -> None:
        """A vertical line at x."""
        at = self.px(x)
        self._marks.append(
            element("line", element("title", says), x1=at, x2=at, y1=self.top,
                    y2=self.top + self._depth, class_=class_)
        )  # fmt: skip

    def line(self, points: Iterable[Point | None], class_: str, label: str = "") -> None:
        """A line; None is a gap. `label` is written beside its last point."""
        placed = [None if p is None else (self.px(p[0]), self.py(p[1])) for p in points]
        self._marks.append(
            element("path", element("title", label), d=path(placed), class_=f"line {class_}")
        )
        last = next((p for p in reversed(placed) if p is not None), None)
        if label and last is not None:
            self._ends.append((last[1], label, class_))

    def area(self, upper: Sequence[Point], lower: Sequence[Point], class_: str, says: str) -> None:
        """Between two lines."""
        around = [*upper, *reversed(lower)]
        if around:
            placed = [(self.px(x), self.py(y)) for x, y in around]
            self._marks.append(
                element("path", element("title", says), d=path(placed) + "Z", class_=class_)
            )

    def interval(self, x: float, low: float, high: float, class_: str, shift: float = 0.0) -> None:
        """A whisker from `low` to `high`, `shift` pixels beside x."""
        at, bottom, top = self.px(x) + shift, self.py(low), self.py(high)
        d = path([(at, bottom), (at, top), None, (at - 4, bottom), (at + 4, bottom), None,
                  (at - 4, top), (at + 4, top)])  # fmt: skip
        self._marks.append(element("path", d=d, class_=f"whisker {class_}"))

    def dot(self, x: float, y: float, class_: str, says: str, shift: float = 0.0) -> None:
        """A filled circle."""
        self._marks.append(
            element("circle", element("title", says), cx=self.px(x) + shift, cy=self.py(y), r=4.0,
                    class_=f"dot {class_}")
        )  # fmt: skip

    def diamond(self, x: float, y: float, class_: str, says: str, shift: float = 0.0) -> None:
        """An open diamond: what theory says."""
        at, up = self.px(x) + shift, self.py(y)
        d = path([(at - 5.5, up), (at, up - 5.5), (at + 5.5, up), (at, up + 5.5)]) + "Z"
        self._marks.append(element("path", element("title", says), d=d, class_=f"diamond {class_}"))

    def bar(self, x0: float, x1: float, y0: float, y1: float, class_: str, says: str) -> None:
        """A rectangle between four values."""
        left, right, low, high = self.px(x0), self.px(x1), self.py(y0), self.py(y1)
        self._marks.append(
            element("rect", element("title", says), x=left, y=high, width=max(right - left, 0.5),
                    height=max(low - high, 0.0), class_=class_)
        )  # fmt: skip

    def render(self, class_: str = "") -> Markup:
        """The drawing: backgrounds, grid, marks, axes, labels of lines."""
        parts = [*self._back, *self._grid(), *self._marks, *self._labels()]
        return drawing(self.width, self.height, self.title, parts, class_)

    def _grid(self) -> list[str]:
        low, right = self.height - self.bottom, self.width - self.right
        parts: list[str] = []
        for tick in apart(self.y.ticks(), self.py, LABEL_HEIGHT):
            at = self.py(tick)
            parts += [
                element("line", x1=self.left, x2=right, y1=at, y2=at,
                        class_="zero" if tick == 0 else "grid"),
                element("text", self.write_y(tick), x=self.left - 6, y=at + 4, class_="tick-y"),
            ]  # fmt: skip
        widest = max((len(self.write_x(tick)) for tick in self.x.ticks()), default=0)
        for tick in apart(self.x.ticks(), self.px, 6.2 * widest + 6):
            at = self.px(tick)
            parts += [
                element("line", x1=at, x2=at, y1=low, y2=low + 4, class_="axis"),
                element("text", self.write_x(tick), x=at, y=low + 16, class_="tick-x"),
            ]
        parts.append(element("line", x1=self.left, x2=right, y1=low, y2=low, class_="axis"))
        if self.x_label:
            middle = (self.left + right) / 2
            parts.append(
                element("text", self.x_label, x=middle, y=self.height - 6, class_="label-x")
            )
        if self.y_label:
            parts.append(element("text", self.y_label, x=4, y=11, class_="label-y"))
        return parts

    def _labels(self) -> Sequence[str]:
        """Names of lines at their right ends, pushed apart where they would overlap."""
        ends = sorted(self._ends)
        places = spread([end[0] for end in ends], LABEL_HEIGHT, self.height - self.bottom)
        at = self.width - self.right + 6
        return [
            element("text", label, x=at, y=y + 4, class_=f"line-label {class_}")
            for y, (_, label, class_) in zip(places, ends, strict=True)
        ]


def apart(ticks: Sequence[float], place: Callable[[float], float], least: float) -> list[float]:
    """The ticks that can be labeled without running into each other; zero is always one."""
    kept: list[float] = []
    for tick in sorted(ticks, key=lambda tick: (tick != 0, ticks.index(tick))):
        if all(abs(place(tick) - place(other)) >= least for other in kept):
            kept.append(tick)
    return sorted(kept)


def spread(wanted: Sequence[float], apart: float, limit: float) -> list[float]:
    """Ascending places at least `apart` from each other, as near to those wanted as it goes."""
    places: list[float] = []
    for place in wanted:
        places.append(max(place, places[-1] + apart) if places else place)
    for index in range(len(places) - 1, -1, -1):
        places[index] = min(places[index], limit - (len(places) - 1 - index) * apart)
    return places
