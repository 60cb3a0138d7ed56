"""The command line: one short file per verb. Data to stdout, everything else to stderr."""

from .app import main

__all__ = ["main"]
