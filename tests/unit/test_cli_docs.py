"""What the documentation tells users to type exists, its scenarios are valid, its links lead on."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from ntplab.analysis import check_expectation
from ntplab.cli.app import build
from ntplab.cli.flags import Command, command_tree, options_of, walk
from ntplab.scenario import parse_scenario

REPO = Path(__file__).resolve().parents[2]
PAGES = [REPO / "README.md", REPO / "CONTRIBUTING.md", *sorted((REPO / "docs").rglob("*.md"))]
TREE = dict(walk(command_tree(build())))
GLOBAL = {flag for option in options_of(TREE[()]) for flag in option.opts} | {"-h", "--help"}
PLACEHOLDERS = ("VERB", "...", "[-v|-q]")


def commands_in(text: str) -> list[str]:
    """What follows `./ntplab` in blocks, up to a remark, and in inline code."""
    joined = re.sub(r"\\\n\s*", " ", text)
    blocks = re.findall(r"^\s*(?:\$ )?(?:\w+=\S*\s|\w+=\"[^\"]*\"\s)*\./ntplab (.*)$", joined, re.M)
    blocks = [re.split(r"\s{2,}", block)[0] for block in blocks]
    return [*blocks, *re.findall(r"`\./ntplab ([^`]*)`", joined)]


def problem_of(line: str) -> str:
    """What is wrong with a command line; empty for nothing. Only verbs and flags are checked."""
    words = shlex.split(line, comments=True)
    path: tuple[str, ...] = ()
    known = set(GLOBAL)
    for word in words:
        if word in (*PLACEHOLDERS, "--") or word.startswith((">", "|", "[")):
            break
        if word.startswith("-") and not re.match(r"-\d", word):
            if word.partition("=")[0] not in known:
                return f"no flag {word}"
        elif (*path, word.rstrip(",")) in TREE:
            path = (*path, word.rstrip(","))
            known |= {flag for option in options_of(TREE[path]) for flag in option.opts}
        elif not path or (len(path) == 1 and has_verbs(TREE[path])):
            return f"no verb {word}"
    return ""


def has_verbs(command: Command) -> bool:
    return bool(getattr(command, "commands", None))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(REPO).as_posix())
def test_every_command_exists(page: Path) -> None:
    wrong = {
        line: problem for line in commands_in(page.read_text()) if (problem := problem_of(line))
    }
    assert wrong == {}


def test_the_check_finds_what_is_wrong() -> None:
    assert len(commands_in((REPO / "docs" / "tutorial.md").read_text())) > 15
    assert problem_of("fly --high") == "no verb fly"
    assert problem_of("clock bend lyon") == "no verb bend"
    assert problem_of("run x.yaml --sett a=b") == "no flag --sett"
    assert problem_of("clock step lyon -5s") == ""
    assert problem_of('exec lyon -- date -s "2023-10-01 12:00:00"') == ""


def test_the_scenarios_of_the_guides_are_valid() -> None:
    blocks = re.findall(r"```yaml\n(.*?)```", (REPO / "docs" / "how-to.md").read_text(), re.S)
    assert blocks
    for block in blocks:
        parse_scenario(block, "how-to.md", (), check_expectation)


@pytest.mark.parametrize("page", PAGES[1:], ids=lambda page: page.relative_to(REPO).as_posix())
def test_every_link_within_the_repository_leads_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
        assert (page.parent / target).exists(), target
