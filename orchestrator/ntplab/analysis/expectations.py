"""Expectations: `<path> <op> <value>` over results.json. Used by scenario validation and judging.

    phases.ntp-off.bookings.double_bookings > 0
    phases.ntp-on.divergence.servers.lyon.p99_abs_ns <= 200us

Phases and servers are named; everything else is a field of the models in `results.py`.
op is one of == != < <= > >=. The value is a number in the field's unit or, when the field
carries a unit (`_ns`, `_ms`, `_s`, `seconds_...`), a duration such as `200us` or `5s`.
"""

from __future__ import annotations

import operator
import re
import types
import typing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from .results import ExpectationResult, PhaseResult, Results, Verdict

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<=": operator.le,
    ">=": operator.ge,
    "<": operator.lt,
    ">": operator.gt,
}
NS_PER_UNIT = {"ns": 1, "us": 10**3, "µs": 10**3, "ms": 10**6, "s": 10**9, "min": 60 * 10**9}

_EXPECTATION = re.compile(r"^\s*([\w.\-]+)\s*(==|!=|<=|>=|<|>)\s*(\S+)\s*$")
_VALUE = re.compile(r"^([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)([a-zµ]*)$")
_COLLECTIONS: dict[Any, str] = {list: "phase", dict: "server"}
_SHAPE_HINT = "write `<path> <op> <value>`, such as `phases.ntp-off.bookings.double_bookings > 0`"


class InvalidExpectation(ValueError):
    """The text cannot be understood, or names something that does not exist."""


@dataclass(frozen=True)
class _Leaf:
    """A number in results.json: its `unit` ("" = none) and whether None means never."""

    unit: str
    none_is_never: bool


@dataclass(frozen=True)
class Expectation:
    """A parsed expectation. `value` is in the unit of the field that `path` names."""

    text: str
    path: tuple[str, ...]
    op: str
    value: Fraction
    none_is_never: bool


def check_expectation(
    text: str, phase_names: Sequence[str], server_names: Sequence[str]
) -> str | None:
    """What is wrong with an expectation, or None. Needs no results: the models are enough."""
    try:
        parse_expectation(text, phase_names, server_names)
    except InvalidExpectation as error:
        return str(error)
    return None


def parse_expectation(
    text: str, phase_names: Sequence[str], server_names: Sequence[str]
) -> Expectation:
    """Parse and check against the models; raises `InvalidExpectation`."""
    match = _EXPECTATION.match(text)
    if match is None:
        raise InvalidExpectation(f"cannot read expectation {text.strip()!r}: {_SHAPE_HINT}")
    dotted, op, value = match.groups()
    path = tuple(dotted.split("."))
    leaf = _resolve(path, _Names(tuple(phase_names), tuple(server_names)))
    return Expectation(text.strip(), path, op, _value(value, leaf.unit, dotted), leaf.none_is_never)


def evaluate(text: str, results: Results, server_names: Sequence[str]) -> ExpectationResult:
    """Hold one expectation against results. A phase without whole evidence gives unknown."""
    try:
        wanted = parse_expectation(text, [p.name for p in results.phases], server_names)
    except InvalidExpectation as error:
        return ExpectationResult(expect=text, observed=None, verdict="unknown", reason=str(error))
    observed, never = _observe(results, wanted)
    verdict, reason = compare(wanted, observed, never)
    phase = _phase_of(results, wanted)
    if phase is not None and not phase.evidence.complete:
        verdict, reason = "unknown", f"evidence of phase {phase.name} is missing"
    return ExpectationResult(expect=text, observed=observed, verdict=verdict, reason=reason)


def compare(wanted: Expectation, observed: float | int | None, never: bool) -> tuple[Verdict, str]:
    """Whether what was observed is as wanted, and why that cannot be said or needs a word."""
    if never:
        holds = OPERATORS[wanted.op](float("inf"), float(wanted.value))
        return ("met" if holds else "violated"), "never reached in this phase"
    if observed is None:
        return "unknown", "nothing was measured for this field"
    # A float cannot equal a decimal such as 0.1 exactly; an integer is compared exactly.
    value = wanted.value if isinstance(observed, int) else float(wanted.value)
    return ("met" if OPERATORS[wanted.op](observed, value) else "violated"), ""


# --- walking the models -------------------------------------------------------------------


@dataclass(frozen=True)
class _Names:
    phases: tuple[str, ...]
    servers: tuple[str, ...]


def _resolve(path: tuple[str, ...], names: _Names) -> _Leaf:
    """Walk `path` through the models to a number, or say where it leaves them and what is near."""
    kind: Any = Results
    unit, never = "", False
    for depth, part in enumerate(path):
        children = _children(kind, names)
        if part not in children:
            raise InvalidExpectation(_unknown(path, depth, part, kind, children, names))
        kind, field = children[part]
        if field is not None:
            unit = _unit_of(part) or unit
            never = _marked(field, "none_is_never")
    if not _is_number(kind):
        deeper = ", ".join(sorted(_children(kind, names)))
        hint = f"; it has: {deeper}" if deeper else ""
        raise InvalidExpectation(f"`{'.'.join(path)}` is not a number{hint}")
    return _Leaf(unit, never)


def _children(kind: Any, names: _Names) -> dict[str, tuple[Any, FieldInfo | None]]:
    """What may come next in a path: name -> (type, field when it is one of a model)."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        return {
            name: (_without_none(field.annotation), field)
            for name, field in kind.model_fields.items()
            if not _marked(field, "expect", default=True, wanted=False)
            and _leads_to_number(_without_none(field.annotation))
        }
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is list and arguments == (PhaseResult,):
        return dict.fromkeys(names.phases, (PhaseResult, None))
    if origin is dict:
        return dict.fromkeys(names.servers, (arguments[1], None))
    if origin is tuple:
        return {str(index): (argument, None) for index, argument in enumerate(arguments)}
    return {}


def _leads_to_number(kind: Any) -> bool:
    if _is_number(kind) or typing.get_origin(kind) in (list, dict, tuple):
        return True
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _is_number(kind: Any) -> bool:
    members = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    return all(member in (int, float) for member in members)


def _without_none(annotation: Any) -> Any:
    members = [a for a in typing.get_args(annotation) if a is not type(None)]
    origin = typing.get_origin(annotation)
    is_union = isinstance(annotation, types.UnionType) or origin is typing.Union
    return members[0] if is_union and len(members) == 1 else annotation


def _marked(field: FieldInfo, key: str, default: bool = False, wanted: bool = True) -> bool:
    extra = field.json_schema_extra
    return (extra.get(key, default) if isinstance(extra, dict) else default) is wanted


def _unit_of(name: str) -> str:
    if name.startswith("seconds_"):
        return "s"
    suffix = name.rpartition("_")[2] if "_" in name else ""
    return suffix if suffix in NS_PER_UNIT else ""


# --- error texts --------------------------------------------------------------------------


def _unknown(
    path: tuple[str, ...],
    depth: int,
    part: str,
    kind: Any,
    children: dict[str, Any],
    names: _Names,
) -> str:
    what = _COLLECTIONS.get(typing.get_origin(kind), "field")
    above = ".".join(path[:depth])
    where = f" in `{above}`" if above else ""
    if not children and what == "field":
        return f"`{above}` has no fields, so `{'.'.join(path)}` does not exist"
    near = get_close_matches(part, children, n=3, cutoff=0.5)
    if what == "field" and not near:
        near = _nearest_paths(path, names)
    if near:
        return f"unknown {what} `{part}`{where}; nearest: {', '.join(near)}"
    return f"unknown {what} `{part}`{where}; there is: {', '.join(sorted(children)) or 'none'}"


def _nearest_paths(path: tuple[str, ...], names: _Names) -> list[str]:
    """Whole paths whose last name is like the last name of `path` (it may sit elsewhere)."""
    ends: dict[str, list[str]] = {}
    for known in _paths(Results, (), names):
        ends.setdefault(known[-1], []).append(".".join(known))
    near = get_close_matches(path[-1], ends, n=1, cutoff=0.7)
    # Of several places with that name, those that share most with what was written.
    candidates = sorted(
        (p for n in near for p in ends[n]), key=lambda p: (-len(set(p.split(".")) & set(path)), p)
    )
    return candidates[:3]


def _paths(kind: Any, above: tuple[str, ...], names: _Names) -> Iterator[tuple[str, ...]]:
    if _is_number(kind):
        yield above
        return
    for name, (child, _) in _children(kind, names).items():
        yield from _paths(child, (*above, name), names)


def _value(text: str, unit: str, dotted: str) -> Fraction:
    match = _VALUE.match(text)
    if match is None or (match[2] and match[2] not in NS_PER_UNIT):
        raise InvalidExpectation(f"`{text}` is neither a number nor a duration such as 200us")
    number, given = Fraction(match[1]), match[2]
    if not given:
        return number
    if not unit:
        raise InvalidExpectation(f"`{dotted}` has no unit, so `{text}` cannot be compared with it")
    return number * NS_PER_UNIT[given] / NS_PER_UNIT[unit]


# --- looking values up --------------------------------------------------------------------


def _observe(results: Results, wanted: Expectation) -> tuple[float | int | None, bool]:
    """The value at the path, and whether it is a time that never came though it was watched."""
    here: Any = results
    parent: Any = None
    for part in wanted.path:
        parent, here = here, _step(here, part)
    never = here is None and wanted.none_is_never and bool(getattr(parent, "measured", False))
    return here, never


def _step(here: Any, part: str) -> Any:
    if isinstance(here, dict):
        return here.get(part)
    if isinstance(here, list):
        return next((phase for phase in here if phase.name == part), None)
    if isinstance(here, tuple):
        return here[int(part)]
    return getattr(here, part, None)


def _phase_of(results: Results, wanted: Expectation) -> PhaseResult | None:
    if wanted.path[0] != "phases":
        return None
    return next((phase for phase in results.phases if phase.name == wanted.path[1]), None)
