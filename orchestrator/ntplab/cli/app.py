"""Puts the verbs together and turns errors into words and exit codes."""

from __future__ import annotations

import importlib
import signal
import sys
import traceback
from collections.abc import Sequence
from types import FrameType
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from .. import __version__
from ..errors import ExitCode, NtplabError, ScenarioError
from .flags import command_tree
from .output import Output, out

VERBS = {
    "demo": "demo:demo",
    "doctor": "doctor:doctor",
    "validate": "validate:validate",
    "plan": "plan:plan",
    "up": "up:up",
    "status": "status:status",
    "down": "down:down",
    "run": "run:run",
    "ntp": "ntp:app",
    "clock": "clock:app",
    "train": "train:app",
    "exec": "exec_:exec_",
    "logs": "logs:logs",
    "analyze": "analyze:analyze",
    "compare": "stamps:compare",
    "verify": "verify:verify",
    "report": "report:report",
    "slides": "slides:slides",
    "runs": "runs:app",
    "fleet": "fleet:app",
    "ui": "ui:ui",
    "bench": "bench:bench",
    "docs": "docs:docs",
    "deploy": "deploy:deploy",
    "test": "test:run_tests",
}
"""verb -> module of this folder and what in it is the verb, in the order of the help"""

TAKES_ANY_FLAG = ("exec", "test")
"""Verbs that hand flags on to another program."""

SETTINGS: dict[str, Any] = {
    "name": "ntplab",
    "help": "What do wrong clocks do to a reservation system, and what does NTP really change?",
    "epilog": "Start with `./ntplab demo`. Every flag has a variable: NTPLAB_<VERB>_<FLAG>.",
    "no_args_is_help": True,
    "rich_markup_mode": None,
    "pretty_exceptions_enable": False,
    "context_settings": {"help_option_names": ["-h", "--help"]},
}


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"ntplab {__version__}\n")
        raise typer.Exit


def settings(
    verbose: Annotated[
        bool, typer.Option("-v", "--verbose", help="More words, and tracebacks.")
    ] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Only results and errors.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    """What comes before the verb."""
    out.configure(verbose=verbose, quiet=quiet)


def build(only: str | None = None) -> typer.Typer:
    """The command line with every verb, or with `only` that one.

    What all verbs import together takes half a second that, say, `status` need not wait for.
    """
    app = typer.Typer(**SETTINGS)
    app.callback()(settings)
    for verb in [only] if only else VERBS:
        module, attribute = VERBS[verb].split(":")
        found = getattr(importlib.import_module(f".{module}", __package__), attribute)
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=verb)
        else:
            any_flag = {"ignore_unknown_options": verb in TAKES_ANY_FLAG}
            app.command(verb, context_settings=any_flag)(found)
    return app


def verb_in(argv: Sequence[str]) -> str | None:
    """The verb of a command line where there plainly is one."""
    first = next((word for word in argv if not word.startswith("-")), None)
    return first if first in VERBS else None


def main() -> None:
    """Run the command line and exit with its exit code (`errors.ExitCode`)."""
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(_guarded(out))


def _terminate(_number: int, _frame: FrameType | None) -> None:
    """SIGTERM cleans up exactly as Ctrl-C does, and exits with 130 too."""
    raise KeyboardInterrupt


def _guarded(output: Output) -> int:
    """Run a verb; what it raises becomes words and an exit code. Typer handles Ctrl-C (130)."""
    try:
        app = build(verb_in(sys.argv[1:]))
        code = command_tree(app).main(prog_name="ntplab", standalone_mode=False)
        return code if isinstance(code, int) else ExitCode.MET
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else ExitCode.MET
    except TyperException as error:
        output.usage(error)
        return ExitCode.USAGE
    except ScenarioError as error:
        output.problems(error)
        return error.exit_code
    except NtplabError as error:
        output.error(error)
        if output.verbose:
            traceback.print_exc()
        return error.exit_code
    except Exception as error:
        output.say(f"error: our own bug: {type(error).__name__}: {error}")
        output.say("hint: run it again with `./ntplab -v ...` and report what it prints")
        if output.verbose:
            traceback.print_exc()
        return ExitCode.OUR_BUG
    return ExitCode.MET
