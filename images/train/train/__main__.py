"""`python3 -m train` is `ntplab-train`."""

import sys

from .main import main

if __name__ == "__main__":
    sys.exit(main())
