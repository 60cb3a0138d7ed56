"""Where a node keeps its state: a directory that one process at a time may use."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from .errors import StoreError
from .store import Store

CONTROL_NAME = "control.sock"


class Place:
    """The directory, made when it is not there, and locked. Raises `StoreError`."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StoreError(f"{directory}: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise StoreError(f"{directory}: another process runs on this state") from error
        try:
            self.store = Store(directory / "node.db")
        except StoreError:
            os.close(self._lock)
            raise

    @property
    def control(self) -> Path:
        """Where the node's control socket stands unless it is told otherwise."""
        return self.directory / CONTROL_NAME

    def close(self) -> None:
        """After this, another process may use it."""
        self.store.close()
        os.close(self._lock)
