"""Every flag's environment variable, named after the flag: `run --set` is NTPLAB_RUN_SET.

typer by itself would name them after the parameters of our functions, and let NTPLAB_HELP=1 turn
every verb into its help.
"""

from __future__ import annotations

from collections.abc import Iterator

import typer
from typer.core import TyperCommand, TyperGroup, TyperOption

PREFIX = "NTPLAB"

# Said once for all verbs: NTPLAB_LAB, NTPLAB_RUNS. The verb's own variable comes first.
SHARED = ("lab", "runs")

# Not settings but things to do instead of a verb: a variable would disable every verb.
WITHOUT_VARIABLE = ("version", "install-completion", "show-completion")

Command = TyperCommand | TyperGroup
Path = tuple[str, ...]


def command_tree(app: typer.Typer) -> Command:
    """The command line as typer builds it, with the variables named."""
    root = typer.main.get_command(app)
    assert isinstance(root, Command)
    for path, command in walk(root):
        for option in options_of(command):
            _name_variable(path, option)
    return root


def walk(command: Command, path: Path = ()) -> Iterator[tuple[Path, Command]]:
    """The command and all below it, each with its verbs: ("clock", "step")."""
    yield path, command
    if isinstance(command, TyperGroup):
        for name, child in command.commands.items():
            assert isinstance(child, Command)
            yield from walk(child, (*path, name))


def options_of(command: Command) -> list[TyperOption]:
    """The flags of a command, --help left out."""
    return [param for param in command.params if isinstance(param, TyperOption)]


def flag_of(option: TyperOption) -> str:
    """The long name of a flag, without dashes."""
    return max(option.opts, key=len).lstrip("-")


def _name_variable(path: Path, option: TyperOption) -> None:
    flag = flag_of(option)
    if flag in WITHOUT_VARIABLE:
        return
    own = "_".join([PREFIX, *path, flag]).upper().replace("-", "_")
    option.envvar = [own, f"{PREFIX}_{flag.upper()}"] if flag in SHARED else own
    option.show_envvar = True
