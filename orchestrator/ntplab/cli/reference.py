"""The reference of the command line, made from the command line itself.

Used by nobody at run time. `python -m ntplab.cli.reference` writes docs/reference/cli.md; a test
fails when that is not what it would write.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from typer.core import TyperArgument, TyperGroup, TyperOption

from ..errors import ExitCode
from ..paths import REPO_DIR
from .app import build
from .flags import Command, Path, command_tree, options_of, walk

REFERENCE_PATH = REPO_DIR / "docs" / "reference" / "cli.md"

EXIT_CODES = {
    ExitCode.MET: "done; for a run: every expectation met",
    ExitCode.VIOLATED: "an expectation is violated, a checksum or a recomputed result differs",
    ExitCode.USAGE: "the command line makes no sense: unknown verb, flag, server, lab or unit",
    ExitCode.INVALID_SCENARIO: "the scenario is invalid; every problem is listed, nothing started",
    ExitCode.UNKNOWN: "no verdict: evidence is missing or damaged, or there is no such run",
    ExitCode.LAB_FAILED: "the lab could not be run: engine, image, container, or a fault not seen",
    ExitCode.OUR_BUG: "our own bug; `./ntplab -v ...` prints the traceback to report",
    ExitCode.INTERRUPTED: "Ctrl-C or SIGTERM; what was started is removed, evidence is kept",
}

INTRODUCTION = """\
# Command line

`./ntplab [-v|-q] VERB [FLAGS] [ARGUMENTS]`. `./ntplab VERB -h` says the same as this page, which
is generated (`python -m ntplab.cli.reference`).

- **Output.** Results go to stdout; progress, messages and errors go to stderr. With `--json`
  stdout is one JSON document, with its version as `schema`, and nothing else. Colors and the
  spinner appear on a terminal only, colors never when `NO_COLOR` is set.
- **Errors.** `error:` what and where; where a log explains it, its last lines; `hint:` what to do.
  A scenario's problems come all at once, as `FILE:LINE: KEY: WHAT`. No traceback without `-v`.
- **Variables.** Each flag can be set by an environment variable; the flag wins. Flags without
  a value take `1` or `0`, repeatable ones several values with spaces between. `NTPLAB_LAB` and
  `NTPLAB_RUNS` hold for every verb that has the flag. Beside these, `NTPLAB_PYTHON` names the
  Python from which the launcher makes its virtual environment, and `DOCKER_HOST` the engine.
- **Labs.** Verbs that act on a running lab need `--lab` only while several are up.
- **Runs.** RUN is a directory, `latest`, a run's id, or the short id at its end.
"""

COMPLETION = """\
## Shell completion
`./ntplab --install-completion`, then a new shell: bash, zsh or fish, the one you are in. It
completes verbs and flags of `ntplab` and, in bash, `./ntplab` too. `--show-completion` prints the
script instead.
"""


def reference() -> str:
    """The whole page."""
    commands = [(path, command) for path, command in walk(command_tree(build()))]
    root = commands[0][1]
    parts = [INTRODUCTION, exit_codes(), flags("Before the verb", (), root), COMPLETION]
    parts += [section(path, command) for path, command in commands[1:] if is_verb(command)]
    return "\n".join(parts)


def is_verb(command: Command) -> bool:
    """A command of its own, not a group of them."""
    return not isinstance(command, TyperGroup)


def exit_codes() -> str:
    """The table of exit codes."""
    rows = [f"| {int(code)} | {meaning} |" for code, meaning in EXIT_CODES.items()]
    note = "`exec` and `test` exit with the code of the command they ran.\n"
    return "\n".join(["## Exit codes", "| code | meaning |", "| --- | --- |", *rows, "", note])


def flags(title: str, path: Path, command: Command) -> str:
    """A section that has nothing but flags."""
    return "\n".join([f"## {title}", *table(path, command), ""])


def section(path: Path, command: Command) -> str:
    """One verb: usage, what it does, its arguments and flags."""
    name = " ".join(path)
    lines = [f"## {name}", f"`{usage(name, command)}`", "", *paragraphs(command)]
    rows = list(table(path, command))
    return "\n".join([*lines, *rows, ""] if rows else lines)


def usage(name: str, command: Command) -> str:
    """`ntplab run [FLAGS] FILE`"""
    words = ["./ntplab", name, *(["[FLAGS]"] if options_of(command) else [])]
    for argument in arguments_of(command):
        word = str(argument.metavar) + ("..." if argument.nargs == -1 else "")
        if argument.name in ("command", "arguments"):
            word = f"-- {word}"
        words.append(word if argument.required else f"[{word}]")
    return " ".join(words)


def arguments_of(command: Command) -> list[TyperArgument]:
    """What a verb is given beside its flags."""
    return [param for param in command.params if isinstance(param, TyperArgument)]


def paragraphs(command: Command) -> Iterator[str]:
    """What the verb says of itself, wrapped as the rest of the documentation is."""
    for paragraph in (command.help or "").split("\n\n"):
        yield textwrap.fill(" ".join(paragraph.split()), 98)
        yield ""


def table(path: Path, command: Command) -> Iterator[str]:
    """Arguments and flags as rows."""
    rows = [
        *(f"| `{a.metavar}` | {a.help}{default(a)} | |" for a in arguments_of(command)),
        *(f"| {names(o)} | {o.help}{default(o)} | {variables(o)} |" for o in options_of(command)),
    ]
    if rows:
        yield from ("| argument or flag | meaning | variable |", "| --- | --- | --- |", *rows)


def names(option: TyperOption) -> str:
    """`-f`, `--follow`; with what it takes."""
    value = "" if option.is_flag else f" {option.metavar}"
    listed = sorted(option.opts, key=len)
    return ", ".join(f"`{name}{value if name is listed[-1] else ''}`" for name in listed)


def variables(option: TyperOption) -> str:
    """The variables of a flag, the verb's own first."""
    listed = option.envvar if isinstance(option.envvar, list) else [option.envvar]
    return ", ".join(f"`{name}`" for name in listed if name)


def default(param: TyperArgument | TyperOption) -> str:
    """` Default: x.`, unless it is nothing."""
    value = param.default
    return "" if value in (None, False, "") or callable(value) else f" Default: `{value}`."


if __name__ == "__main__":
    REFERENCE_PATH.parent.mkdir(parents=True, exist_ok=True)
    REFERENCE_PATH.write_text(reference())
