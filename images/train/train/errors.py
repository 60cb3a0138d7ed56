"""Errors that a user of the program meets, each with its exit code and what to do next."""

from __future__ import annotations

EXIT_REFUSED = 1
EXIT_USAGE = 2
EXIT_DAMAGED = 4
EXIT_FAILED = 5
EXIT_INTERRUPTED = 130


class TrainError(Exception):
    """`str(error)` says what and where in one line, `hint` what to do."""

    exit_code = EXIT_FAILED

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(TrainError):
    """The command line or the configuration makes no sense."""

    exit_code = EXIT_USAGE


class RefusedError(TrainError):
    """The node said no, in these words; nothing has changed."""

    exit_code = EXIT_REFUSED


class NoAnswerError(TrainError):
    """There is no node, or it did not answer in time."""


class StoreError(TrainError):
    """The state cannot be read or written now."""


class DamagedError(StoreError):
    """The state is damaged or another node's. It is left as it is."""

    exit_code = EXIT_DAMAGED
