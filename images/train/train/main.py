"""The program `ntplab-train`: a node in the lab, a node under Airplug, the air between
those, or a question to one.

Exit codes: 0 done (also after SIGTERM), 1 the node refuses or a request ended without a ticket,
2 the command line or the configuration makes no sense, 4 state or a snapshot is damaged, 5 the
node cannot run or does not answer, 130 interrupted.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from . import airplug_options, asking, lab_node, relay
from .errors import EXIT_INTERRUPTED, EXIT_USAGE, TrainError
from .ticket import BadValueError

PROGRAM = "ntplab-train"


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    top = argparse.ArgumentParser(
        prog=PROGRAM,
        description="Train tickets: an office that owns them, clients that ask for them.",
        epilog="Exit codes: 0 done, 1 refused or ended without a ticket, 2 usage or configuration, "
        "4 damaged state or snapshot, 5 cannot run or does not answer, 130 interrupted.",
        allow_abbrev=False,
    )
    programs = top.add_subparsers(metavar="PROGRAM", required=True)
    airplug_options.add_office(programs)
    airplug_options.add_client(programs)
    lab_node.add(programs)
    relay.add(programs)
    asking.add(programs)
    return top


def main(argv: Sequence[str] | None = None) -> int:
    """Run with `argv`, or the command line's arguments; returns the exit code."""
    arguments = parser().parse_args(argv)
    try:
        return int(arguments.run(arguments))
    except TrainError as error:
        return _say(str(error), error.hint, error.exit_code)
    except BadValueError as error:
        return _say(str(error), "", EXIT_USAGE)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED


def _say(what: str, hint: str, code: int) -> int:
    print(f"{PROGRAM}: error: {what}", file=sys.stderr)
    if hint:
        print(f"hint: {hint}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
