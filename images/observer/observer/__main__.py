"""`python3 -m observer` is `ntplab-observer`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
