"""pydantic's errors as `Problem`s: in words, with file, line and the likely meaning.

Part of the first stage.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import Problem
from .models import Scenario
from .source import Path, Source

_EXPECTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "string_type": "text",
    "tuple_type": "a list",
    "list_type": "a list",
    "dict_type": "keys with values",
    "model_type": "keys with values",
    "model_attributes_type": "keys with values",
}


def to_problems(error: ValidationError, source: Source) -> list[Problem]:
    """One problem for each thing pydantic found, in the order of the file."""
    return [_problem(detail, source) for detail in causes(error, source.data)]


def causes(error: ValidationError, data: Any) -> list[ErrorDetails]:
    """What pydantic found in `data`, without what only follows from something else it found."""
    details = error.errors(include_url=False)
    broken = {path_of(detail["loc"], data)[:-1] for detail in details}
    return [detail for detail in details if not _follows(detail, broken, data)]


def likely(word: object, known: Iterable[str]) -> str:
    """`did you mean 'offset'?`, or nothing where no known word is near."""
    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.7)
    return f"did you mean '{near[0]}'?" if near else ""


def path_of(loc: tuple[int | str, ...], data: Any) -> Path:
    """pydantic's loc without the union tags it contains: only steps that lead into the data.

    The last step may be a key that is not there (`missing`).
    """
    path: list[int | str] = []
    here = data
    for index, step in enumerate(loc):
        last = index == len(loc) - 1
        if isinstance(here, dict) and (step in here or last) and not _is_tag(step, here):
            path.append(step)
            here = here.get(step)
        elif isinstance(here, list) and isinstance(step, int) and step < len(here):
            path.append(step)
            here = here[step]
    return tuple(path)


def _follows(detail: ErrorDetails, broken: set[Path], data: Any) -> bool:
    """A list counted as too short only because its elements are broken is no news."""
    path = path_of(detail["loc"], data)
    inside = any(len(b) >= len(path) and b[: len(path)] == path for b in broken)
    return detail["type"] == "too_short" and inside


def _problem(detail: ErrorDetails, source: Source) -> Problem:
    path = path_of(detail["loc"], source.data)
    kind, given, context = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "extra_forbidden":
        known = _known_keys(path[:-1], source.data)
        hint = likely(path[-1], known) or f"known keys: {', '.join(known)}"
        return source.problem(path, "unknown key", hint)
    if kind == "missing":
        return source.problem(path, "is missing")
    if kind == "union_tag_not_found":
        key = str(context["discriminator"]).strip("'")
        if not isinstance(given, dict):
            return source.problem(path, f"expected keys with values, not {_show(given)}")
        return source.problem((*path, key), "is missing")
    if kind == "union_tag_invalid":
        key = str(context["discriminator"]).strip("'")
        return _one_of(source, (*path, key), context["tag"], context["expected_tags"])
    if kind == "literal_error":
        return _one_of(source, path, given, context["expected"])
    return source.problem(path, _words(kind, given, context, detail["msg"]))


def _words(kind: str, given: Any, context: dict[str, Any], message: str) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind in _EXPECTED:
        return f"expected {_EXPECTED[kind]}, not {_show(given)}"
    if kind == "greater_than_equal":
        return f"must be at least {context['ge']}, not {_show(given)}"
    if kind in ("less_than_equal", "less_than"):
        bound = context.get("le", context.get("lt"))
        return f"must be {'at most' if 'le' in context else 'below'} {bound}, not {_show(given)}"
    if kind == "too_short":
        return f"needs at least {context['min_length']}, has {context['actual_length']}"
    if kind == "too_long":
        return f"at most {context['max_length']} are allowed, not {_size(given)}"
    if kind == "string_too_long":
        return f"at most {context['max_length']} characters are allowed"
    return message[:1].lower() + message[1:]


def _one_of(source: Source, path: Path, given: Any, expected: str) -> Problem:
    words = [w.strip("'") for w in expected.replace(" or ", ", ").split(", ")]
    what = f"must be one of {', '.join(words)}, not {_show(given)}"
    return source.problem(path, what, likely(given, words))


def _is_tag(step: int | str, here: dict[str, Any]) -> bool:
    return step not in here and step in (here.get("pattern"), here.get("kind"), here.get("name"))


def _known_keys(path: Path, data: Any) -> list[str]:
    """The keys that the model at `path` knows, by asking the models themselves."""
    model: Any = Scenario
    here = data
    for step in path:
        here = here[step]
        if isinstance(step, str):
            model = _model_of(model.model_fields[step], here)
        else:
            model = _matching(model, here)
    model = _matching(model, here)
    return list(model.model_fields)


def _model_of(field: Any, given: Any) -> Any:
    candidates = _models_in(field.annotation)
    for extra in field.metadata:
        candidates += _models_in(extra)
    return candidates if isinstance(given, list) else _matching(candidates, given)


def _matching(candidates: Any, given: Any) -> Any:
    """Of several models the one whose tag (`name`, `kind`, `pattern`) the data carries."""
    if not isinstance(candidates, list):
        return candidates
    for model in candidates:
        for tag in ("pattern", "kind", "name"):
            field = model.model_fields.get(tag)
            wanted = getattr(field.annotation, "__args__", ()) if field else ()
            if isinstance(given, dict) and given.get(tag) in wanted:
                return model
    return candidates[0]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [m for part in getattr(annotation, "__args__", ()) for m in _models_in(part)]


def _show(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "keys with values"
    return "a list" if isinstance(value, (list, tuple)) else f"'{value}'"


def _size(value: Any) -> str:
    return str(len(value)) if hasattr(value, "__len__") else "more"
