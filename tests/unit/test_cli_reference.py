"""The reference page is what the command line says; every verb and flag says something."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from ntplab.cli import reference
from ntplab.cli.app import build
from ntplab.cli.flags import WITHOUT_VARIABLE, command_tree, flag_of, options_of, walk
from ntplab.errors import ExitCode

REPO = Path(__file__).resolve().parents[2]
VERBS = {
    " ".join(path): command
    for path, command in walk(command_tree(build()))
    if path and reference.is_verb(command)
}
READ_VERBS = (
    "doctor",
    "validate",
    "plan",
    "status",
    "ntp status",
    "clock show",
    "analyze",
    "verify",
    "runs list",
    "runs show",
    "bench",
)
LAB_VERBS = ("up", "status", "down", "exec", "logs", "ntp off", "clock step")


def test_the_committed_reference_is_current() -> None:
    written = reference.REFERENCE_PATH.read_text()
    assert written == reference.reference(), "run python -m ntplab.cli.reference"


def test_every_exit_code_is_explained() -> None:
    assert set(reference.EXIT_CODES) == set(ExitCode)


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_says_what_it_does_in_one_short_sentence(name: str) -> None:
    first = (VERBS[name].help or "").split("\n\n")[0]
    assert first
    assert len(first.split(". ")[0]) <= 64, "longer ones are cut in the list of verbs"


@pytest.mark.parametrize("name", VERBS)
def test_every_argument_and_flag_is_described_and_named(name: str) -> None:
    for argument in reference.arguments_of(VERBS[name]):
        assert argument.help, argument.name
        assert str(argument.metavar).isupper(), argument.name
    for option in options_of(VERBS[name]):
        assert option.help, option.name
        assert option.is_flag or option.metavar, option.name


def test_every_flag_has_one_variable_of_its_own() -> None:
    own = [
        option.envvar[0] if isinstance(option.envvar, list) else option.envvar
        for _path, command in walk(command_tree(build()))
        for option in options_of(command)
        if flag_of(option) not in WITHOUT_VARIABLE
    ]
    assert all(own)
    assert len(set(own)) == len(own)
    assert {"NTPLAB_RUN_SET", "NTPLAB_DOWN_ALL", "NTPLAB_CLOCK_SHOW_JSON", "NTPLAB_QUIET"} <= set(
        own
    )


@pytest.mark.parametrize("name", READ_VERBS)
def test_a_verb_that_reads_has_json(name: str) -> None:
    assert "json" in {flag_of(option) for option in options_of(VERBS[name])}


@pytest.mark.parametrize("name", LAB_VERBS)
def test_a_verb_on_a_lab_can_be_told_which(name: str) -> None:
    (lab,) = (option for option in options_of(VERBS[name]) if flag_of(option) == "lab")
    assert lab.envvar == [f"NTPLAB_{name.upper().replace(' ', '_')}_LAB", "NTPLAB_LAB"]


# --- completion ---------------------------------------------------------------------------

SHELL = """\
. ~/.bashrc
complete_words() {
  COMP_WORDS=("$@")
  COMP_CWORD=$(($# - 1))
  _ntplab_completion "$1"
  echo "${COMPREPLY[@]}"
}
complete -p ntplab
complete_words ntplab clo
complete_words ./ntplab clock s
complete_words ntplab run --se
complete_words ntplab ntp off --method ''
complete_words ntplab test ''
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home directory whose bin/ has the launcher, made with the Python of the tests."""
    launcher = tmp_path / "bin" / "ntplab"
    launcher.parent.mkdir()
    launcher.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m ntplab "$@"\n')
    launcher.chmod(0o755)
    (tmp_path / ".bashrc").write_text("# mine\n")
    return tmp_path


def bash(home: Path, script: str) -> list[str]:
    environment = {
        "HOME": str(home),
        "PATH": f"{home / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(REPO / "orchestrator"),
    }
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=home / "bin",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_completion_installs_with_one_command(home: Path) -> None:
    said = bash(home, "ntplab --install-completion; true")
    assert said[0].startswith("bash completion installed in")
    assert (home / ".bashrc").read_text().startswith("# mine\n")
    assert bash(home, SHELL) == [
        "complete -o default -F _ntplab_completion ntplab",
        "clock",
        "show step set strobe steady",
        "--seed --set",
        "daemon network sources",
        "unit clock lab browser vps",
    ]
