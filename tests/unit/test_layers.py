"""Imports point from later stages to earlier ones only; the Docker SDK has one place."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "orchestrator" / "ntplab"

# From the first stage to the last. A part may import what stands above it, and nothing beside or
# below it. A new part has to be put into its place here.
STAGES = [
    {"__version__", "errors", "units", "paths", "labtime", "hostclock", "hosted"},
    {"events", "oscillator", "scenario"},
    {"train_plan"},
    {"plan", "daemons", "oscillator_planner", "train_planner"},
    {"planner", "topology", "timeline", "settling"},
    {"render"},
    {"driver"},
    {"setup", "faults", "collect", "reach"},
    {"doctor"},
    {"evidence"},
    {"analysis"},
    {"train_nodes"},
    {"report"},
    {"lab", "buyers"},
    {"phases", "provenance"},
    {"train_phases", "standing"},
    {"run"},
    {"sweep", "fleet"},
    {"ui"},
    {"stack"},
    {"bench"},
    {"cli"},
    {"__main__"},
]
RANK = {part: rank for rank, parts in enumerate(STAGES) for part in parts}
# Judging works on a machine without Docker, years later.
OFFLINE = ("evidence", "analysis", "report")
NEEDS_A_LAB = {
    "driver", "setup", "faults", "collect", "reach", "lab", "buyers", "phases", "run", "sweep",
    "doctor", "standing", "ui", "stack", "fleet",
}  # fmt: skip


def part_of(path: Path) -> str:
    """The part that a file belongs to: its folder or its own name, directly in the package."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def sources() -> list[Path]:
    return [path for path in sorted(PACKAGE.rglob("*.py")) if path != PACKAGE / "__init__.py"]


def imported_modules(path: Path) -> Iterator[str]:
    """Absolute dotted names of all that a file imports, also inside functions."""
    folder = ["ntplab", *path.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = folder[: len(folder) - node.level + 1] if node.level else []
            module = [*base, *(node.module.split(".") if node.module else [])]
            if node.level and not node.module:
                yield from (".".join([*module, name.name]) for name in node.names)
            else:
                yield ".".join(module)


def imported_parts(path: Path) -> set[str]:
    names = (module.split(".") for module in imported_modules(path))
    return {name[1] for name in names if name[0] == "ntplab" and len(name) > 1} - {part_of(path)}


def test_every_part_has_its_place() -> None:
    assert {part_of(path) for path in sources()} <= set(RANK)


def test_imports_point_to_earlier_stages() -> None:
    wrong = [
        f"{path.relative_to(PACKAGE)} imports {part}"
        for path in sources()
        for part in imported_parts(path)
        if RANK[part] >= RANK[part_of(path)]
    ]
    assert wrong == []


def test_judging_needs_no_lab() -> None:
    reached: set[str] = set()
    todo = set(OFFLINE)
    while todo:
        part = todo.pop()
        reached.add(part)
        files = [path for path in sources() if part_of(path) == part]
        todo |= {found for path in files for found in imported_parts(path)} - reached
    assert reached & NEEDS_A_LAB == set()


def test_the_docker_sdk_has_one_place() -> None:
    users = {
        path.relative_to(PACKAGE).as_posix()
        for path in sources()
        if any(module.split(".")[0] == "docker" for module in imported_modules(path))
    }
    assert users
    assert all(user.startswith("driver/docker") for user in users)


def test_the_check_sees_imports_of_every_form() -> None:
    path = PACKAGE / "driver" / "docker.py"
    assert {
        "docker.errors",
        "ntplab.errors",
        "ntplab.driver.base",
        "ntplab.driver.terminal",
    } <= set(imported_modules(path))
    assert imported_parts(path) == {"errors", "paths", "topology"}
