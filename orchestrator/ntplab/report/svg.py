"""SVG as text: elements whose every attribute and text is escaped. Pure.

A drawing has no style of its own: it names classes, and the page's style sheet gives them colors,
for light, dark and paper.
"""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape

Value = str | int | float


def element(name: str, *children: str, **attributes: Value | None) -> Markup:
    """One element. `class_` is `class`, other underscores are hyphens; None is left out.

    A child that is no Markup is text, and escaped.
    """
    given = "".join(
        f' {_attribute(key)}="{escape(_value(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    if not children:
        return Markup(f"<{name}{given}/>")
    inside = "".join(str(escape(child)) for child in children)
    return Markup(f"<{name}{given}>{inside}</{name}>")


def drawing(
    width: float, height: float, title: str, children: Iterable[str], class_: str = ""
) -> Markup:
    """A whole drawing that scales with the page; `title` is what a screen reader says."""
    return element(
        "svg",
        element("title", title),
        *children,
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        role="img",
        aria_label=title,
        class_=f"chart {class_}".strip(),
    )


def path(points: Iterable[tuple[float, float] | None]) -> str:
    """The `d` of a line through `points`; None lifts the pen."""
    parts: list[str] = []
    pen = "M"
    for point in points:
        if point is None:
            pen = "M"
            continue
        parts.append(f"{pen}{_value(point[0])} {_value(point[1])}")
        pen = "L"
    return "".join(parts)


def _attribute(key: str) -> str:
    return key.rstrip("_").replace("_", "-")


def _value(value: Value) -> str:
    """A tenth of a pixel is as fine as anything is drawn."""
    if isinstance(value, float):
        text = f"{value:.1f}"
        return text.removesuffix(".0")
    return str(value)
