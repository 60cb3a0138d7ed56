"""YAML text to plain data that remembers where each value stands; `--set` overrides.

Part of the first stage; knows nothing about what the keys mean. Only the scalars of YAML 1.2
are recognized (`off` is a word, `12:30` is no number, a date is text), aliases are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from ..errors import Problem

Path = tuple[str | int, ...]
BYTES_MAX = 1_000_000
DEPTH_MAX = 30


@dataclass(frozen=True)
class Origin:
    """Where a value was written: a file and line, or a `--set` (line 0)."""

    file: str
    line: int


@dataclass
class Source:
    """Plain data, the origin of every path in it, and what was wrong with the text."""

    file: str
    data: Any = None
    origins: dict[Path, Origin] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def origin(self, path: Path) -> Origin:
        """The origin of `path`, or of the nearest thing around it."""
        while path and path not in self.origins:
            path = path[:-1]
        return self.origins.get(path, Origin(self.file, 1))

    def problem(self, path: Path, what: str, hint: str = "") -> Problem:
        origin = self.origin(path)
        where = printable(self.where(path))
        return Problem(origin.file, origin.line, where, printable(what), hint)

    def where(self, path: Path) -> str:
        """`servers.lyon.clock`: list elements by their name if they have one."""
        words: list[str] = []
        here = self.data
        for step in path:
            here = _child(here, step)
            name = here.get("name") if isinstance(here, dict) and isinstance(step, int) else None
            words.append(name if isinstance(name, str) else str(step))
        return ".".join(words)


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's idea of which plain scalars are not text."""


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("bool", r"(true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"(~|null|Null|NULL|)$", ["~", "n", "N", ""]),
    ("int", r"[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile("^(?:" + _pattern + ")"), list(_first)
    )


def printable(text: str) -> str:
    """One line, whatever somebody put into a key or a value: `\\n` for a line break."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def read(text: str, file: str) -> Source:
    """Parse `text`; a syntax error, a key given twice or an alias becomes a problem."""
    source = Source(file)
    if len(text) > BYTES_MAX:
        source.problems.append(Problem(file, 1, "", f"longer than {BYTES_MAX} characters"))
        return source
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is not None:
            source.data = _Builder(source, loader).build(node, ())
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        what = " ".join(part for part in (error.problem, error.context) if part)
        line = mark.line + 1 if mark else 1
        source.problems.append(Problem(file, line, "", printable(f"not YAML: {what}")))
    except (yaml.YAMLError, ValueError) as error:
        source.problems.append(Problem(file, 1, "", f"not YAML: {str(error).splitlines()[0]}"))
    finally:
        loader.dispose()
    return source


class _Builder:
    """Turns YAML nodes into dicts, lists and scalars, noting origins on the way."""

    def __init__(self, source: Source, loader: yaml.SafeLoader) -> None:
        self.source = source
        self.loader = loader
        self.built: set[int] = set()
        """ids of the collections met so far: one met twice is an alias"""

    def build(self, node: yaml.Node, path: Path) -> Any:
        self.source.origins.setdefault(path, Origin(self.source.file, node.start_mark.line + 1))
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node, path)
        if id(node) in self.built:
            self._complain(path, "aliases are not supported, write it out")
            return [] if isinstance(node, yaml.SequenceNode) else {}
        if len(path) > DEPTH_MAX:
            self._complain(path, f"nested more than {DEPTH_MAX} levels deep")
            return None
        self.built.add(id(node))
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, i)) for i, item in enumerate(node.value)]
        return self._mapping(node, path)

    def _scalar(self, node: yaml.ScalarNode, path: Path) -> Any:
        if any("\ud800" <= c <= "\udfff" for c in node.value):
            self._complain(path, "half a character (a lone surrogate) is not text")
            return None
        return self.loader.construct_object(node)

    def _mapping(self, node: yaml.Node, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            here = (*path, key)
            if key in result:
                first = self.source.origins[here].line
                self._complain(path, f"key '{key}' is given twice, first on line {first}", key_node)
                continue
            self.source.origins[here] = Origin(self.source.file, key_node.start_mark.line + 1)
            result[key] = None
            result[key] = self.build(value_node, here)
        return result

    def _complain(self, path: Path, what: str, node: yaml.Node | None = None) -> None:
        where = printable(".".join(str(step) for step in path))
        line = node.start_mark.line + 1 if node else self.source.origin(path).line
        self.source.problems.append(Problem(self.source.file, line, where, printable(what)))


def override(source: Source, settings: Sequence[str]) -> None:
    """Apply `key.path=value` settings in order; list elements go by name or by index."""
    for setting in settings:
        what = _apply(source, setting)
        if what:
            source.problems.append(Problem(printable(f"--set {setting}"), 0, "", printable(what)))


def _apply(source: Source, setting: str) -> str | None:
    """None, or what is wrong with the setting."""
    keys, equals, text = setting.partition("=")
    if not equals or not all(keys.split(".")):
        return "write it like servers.lyon.clock.offset=0s"
    value = read(text, "--set")
    if value.problems:
        return value.problems[0].what
    return put(source, keys, value.data, Origin(printable(f"--set {setting}"), 0))


def put(source: Source, keys: str, value: Any, origin: Origin) -> str | None:
    """Put `value` at `keys` (dotted; list elements by name or index); what is wrong, or None.

    Whatever has to be made on the way, and the value, stands at `origin` from then on.
    """
    here, path = source.data, ()  # type: tuple[Any, Path]
    *parents, last = keys.split(".")
    for key in parents:
        step = _step(here, key)
        if step is None:
            return _no_such(source, path, key, here)
        if isinstance(here, dict) and here.get(key) is None:
            here[key] = {}
            source.origins[(*path, key)] = origin
        here, path = here[step], (*path, step)
    step = _step(here, last)
    if step is None:
        return _no_such(source, path, last, here)
    here[step] = value
    path = (*path, step)
    source.origins = {p: o for p, o in source.origins.items() if p[: len(path)] != path}
    source.origins[path] = origin
    return None


def _step(here: Any, key: str) -> str | int | None:
    """What to index `here` with: a key, the position of the element so named, or None."""
    if isinstance(here, dict):
        return key
    if not isinstance(here, list):
        return None
    for index, item in enumerate(here):
        if isinstance(item, dict) and item.get("name") == key:
            return index
    return int(key) if key.isdecimal() and int(key) < len(here) else None


def _no_such(source: Source, path: Path, key: str, here: Any) -> str:
    place = source.where(path) or "the file"
    if isinstance(here, list):
        names = [item["name"] for item in here if isinstance(item, dict) and "name" in item]
        known = f"; there is {', '.join(map(str, names))}" if names else ""
        return f"nothing in {place} is called '{key}'{known}"
    return f"{place} is {here!r}, it has no '{key}'"


def _child(here: Any, step: str | int) -> Any:
    try:
        return here[step]
    except (KeyError, IndexError, TypeError):
        return None
