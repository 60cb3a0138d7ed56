"""`python3 -m ntplab.stack prepare|page`: two services of the demo stack."""

from __future__ import annotations

import os
import signal
import sys

from ..errors import NtplabError
from .settings import read_settings


def main(arguments: list[str]) -> int:
    """Exit codes as of `./ntplab`."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        settings = read_settings(os.environ)
        if arguments == ["prepare"]:
            from .preparing import prepare

            prepare(settings)
        elif arguments == ["page"]:
            from .page import serve

            serve(settings)
        else:
            print("usage: python3 -m ntplab.stack prepare|page", file=sys.stderr)
            return 2
    except NtplabError as error:
        print(f"ntplab: error: {error}", file=sys.stderr)
        if error.hint:
            print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
