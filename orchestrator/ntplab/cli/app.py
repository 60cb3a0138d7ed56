"""Puts the verbs together and turns errors into words and exit codes."""

from __future__ import annotations

import signal
import sys
import traceback
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from .. import __version__
from ..errors import ExitCode, NtplabError, ScenarioError
from . import (
    analyze,
    bench,
    clock,
    demo,
    doctor,
    down,
    exec_,
    logs,
    ntp,
    plan,
    run,
    runs,
    status,
    test,
    up,
    validate,
    verify,
)
from .flags import command_tree
from .output import Output, out

app = typer.Typer(
    name="ntplab",
    help="What do wrong clocks do to a reservation system, and what does NTP really change?",
    epilog="Start with `./ntplab demo`. Every flag has a variable: NTPLAB_<VERB>_<FLAG>.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"ntplab {__version__}\n")
        raise typer.Exit


@app.callback()
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


app.command("demo")(demo.demo)
app.command("doctor")(doctor.doctor)
app.command("validate")(validate.validate)
app.command("plan")(plan.plan)
app.command("up")(up.up)
app.command("status")(status.status)
app.command("down")(down.down)
app.command("run")(run.run)
app.add_typer(ntp.app, name="ntp")
app.add_typer(clock.app, name="clock")
app.command("exec", context_settings={"ignore_unknown_options": True})(exec_.exec_)
app.command("logs")(logs.logs)
app.command("analyze")(analyze.analyze)
app.command("verify")(verify.verify)
app.add_typer(runs.app, name="runs")
app.command("bench")(bench.bench)
app.command("test", context_settings={"ignore_unknown_options": True})(test.run_tests)


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
