"""The exact command that does a run again, from what its manifest recorded. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from ..evidence import Manifest


def again(manifest: Manifest, folder: str) -> str:
    """The command in a checkout of the same code; empty where nothing is on record.

    `folder`: the run directory as the user would write it; its scenario.yaml is what was run.
    Sets and the seed are spelled out, so that no variable of the environment is needed. Runs of
    before they were recorded are done again by their command line.
    """
    if "point" in (manifest.model_extra or {}):
        # A point has no scenario of its own: its sweep is done again.
        return _command(f"{folder}/../..", _kept_sets(_arguments(manifest.command_line)))
    if manifest.sweep is not None:
        sets = _sets(manifest.sweep.overrides)
        return _command(folder, sets)
    if manifest.overrides is not None:
        return _command(folder, _sets(manifest.overrides))
    words = _arguments(manifest.command_line)
    if not words:
        return ""
    return _command(folder, [*_kept_sets(words), "--seed", str(manifest.seed)])


def _command(folder: str, arguments: Sequence[str]) -> str:
    return shlex.join(["./ntplab", "run", f"{folder}/scenario.yaml", *arguments])


def _sets(overrides: Sequence[str]) -> list[str]:
    return [word for text in overrides for word in ("--set", text)]


def _arguments(command_line: Sequence[str]) -> list[str]:
    """The words after the program's name."""
    return list(command_line[1:])


def _kept_sets(words: Sequence[str]) -> list[str]:
    """`--set KEY=VALUE`, however it was written."""
    kept: list[str] = []
    for index, word in enumerate(words):
        if word == "--set" and index + 1 < len(words):
            kept += ["--set", words[index + 1]]
        elif word.startswith("--set="):
            kept += ["--set", word.removeprefix("--set=")]
    return kept
