"""Which points of a sweep an expectation is about: the words in `points[...]`.

    points[skew<wait]                                          an axis beside another axis
    points[policy=lease,skew>=500ms]                           beside a value; all terms must hold
    points[phases.load.bookings.prediction.expected==0]        by what came of the point

A term that begins with `phases.` is held against each point's results: then only judging tells
which points it selects, and where it selects none the expectation says nothing, so is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from .. import units
from .expectations import OPERATORS, InvalidExpectation, evaluate, parse_expectation
from .results import Results

Settings = Mapping[str, Any]

_TERM = re.compile(r"^\s*([\w.\-]+?)\s*(==|=|!=|<=|>=|<|>)\s*(.+?)\s*$")
_HINT = "write it like skew=500ms"


@dataclass(frozen=True)
class Selection:
    """`indices`: the points whose settings fit; of those, the ones where every expectation in
    `outcomes` is met."""

    words: str
    indices: tuple[int, ...]
    outcomes: tuple[str, ...] = ()


def select(
    which: str, points: Sequence[Settings], phase_names: Sequence[str], server_names: Sequence[str]
) -> Selection:
    """Read the words between the brackets; raises `InvalidExpectation`, also when no point can be
    meant."""
    terms = [term.strip() for term in which.split(",") if term.strip() not in ("", "*")]
    names = dict.fromkeys(name for point in points for name in point)
    chosen, outcomes = list(range(len(points))), list[str]()
    for term in terms:
        name, op, value = _parts(term)
        if name.startswith("phases.") and name not in names:
            outcome = f"{name} {_operator(op)} {value}"
            parse_expectation(outcome, phase_names, server_names)
            outcomes.append(outcome)
        else:
            chosen = [index for index in chosen if _holds(term, points[index], names)]
    if not chosen:
        raise InvalidExpectation(f"no point has `{which}`")
    return Selection(which.strip(), tuple(chosen), tuple(outcomes))


def belongs(
    selection: Selection, results: Results | None, server_names: Sequence[str]
) -> bool | None:
    """Whether a point with these results is selected; None if what is known does not tell."""
    if results is None:
        return None if selection.outcomes else True
    verdicts = {evaluate(text, results, server_names).verdict for text in selection.outcomes}
    if "violated" in verdicts:
        return False
    return None if "unknown" in verdicts else True


def _parts(term: str) -> tuple[str, str, str]:
    match = _TERM.match(term)
    if match is None:
        raise InvalidExpectation(f"cannot read `{term}`: {_HINT}")
    name, op, value = match.groups()
    return name, op, value


def _operator(op: str) -> str:
    return "==" if op == "=" else op


def _holds(term: str, settings: Settings, names: Mapping[str, None]) -> bool:
    name, op, text = _parts(term)
    if name not in names:
        near = get_close_matches(name, names, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"there is: {', '.join(names)}"
        raise InvalidExpectation(f"no axis is called `{name}`; {hint}")
    if name not in settings or (text in names and text not in settings):
        return False
    one, other = _comparable(settings[name]), _comparable(settings.get(text, text))
    operator = OPERATORS[_operator(op)]
    if op not in ("=", "==", "!=") and type(one) is not type(other):
        raise InvalidExpectation(f"`{term}`: `{one}` and `{other}` have no order")
    return bool(operator(one, other))


def _comparable(value: Any) -> Any:
    """A quantity as a number of its unit, so that 0.5s equals 500ms; anything else as it is."""
    for parse in (units.parse_duration_ns, units.parse_ppm, units.parse_rate_hz, float):
        try:
            return float(parse(value))
        except (ValueError, TypeError):
            continue
    return value["name"] if isinstance(value, Mapping) and "name" in value else value
