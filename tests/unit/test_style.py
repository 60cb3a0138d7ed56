"""Lint, format and types are part of the tests."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

REPO = Path(__file__).resolve().parents[2]
PYTHON_TREES = ["orchestrator", "images", "tests"]
PACKAGES = ("ntplab", "booking", "buyers", "observer", "train")


def run(*command: str) -> None:
    done = subprocess.run(command, cwd=REPO, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_ruff_finds_nothing() -> None:
    run(sys.executable, "-m", "ruff", "check", "--no-cache", *PYTHON_TREES)


def test_everything_is_formatted() -> None:
    run(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", *PYTHON_TREES)


def test_types_hold() -> None:
    # All at once: what they share is read once.
    packages = [word for package in PACKAGES for word in ("-p", package)]
    run(sys.executable, "-m", "mypy", "--config-file", "pyproject.toml", *packages)


def shell_scripts() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=REPO,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split("\n")
    return [name for name in listed if name and is_shell_script(REPO / name)]


def is_shell_script(path: Path) -> bool:
    if not path.is_file():
        return False
    first = path.read_bytes()[:40].split(b"\n")[0]
    return first.startswith(b"#!") and first.endswith((b"/sh", b"bash", b"sh -e", b"sh -eu"))


def test_there_are_shell_scripts_to_check() -> None:
    assert {"ntplab", ".ci/run", "images/base/launch"} <= set(shell_scripts())


def test_ansible_lint_finds_nothing(tmp_path: Path) -> None:
    """The production profile, the strictest there is."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["ansible-lint", "--offline", "--profile", "production", "--nocolor", "."],
        cwd=REPO / "playbooks" / "vps",
        env={**os.environ, "PATH": path, "ANSIBLE_HOME": str(tmp_path), "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    assert "Passed: 0 failure(s), 0 warning(s)" in said, said


def test_shellcheck_finds_nothing() -> None:
    run("shellcheck", *shell_scripts())
