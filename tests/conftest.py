"""What every test needs."""

from __future__ import annotations

import signal

# Whoever starts the tests in the background may have had SIGINT ignored, and programs inherit
# that: the ones that tests interrupt would not listen.
signal.signal(signal.SIGINT, signal.default_int_handler)
