"""One JSON document per line on standard output, from any thread, each as soon as it is there."""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any

Emit = Callable[[Mapping[str, Any]], None]


class JsonLines:
    """Writes documents to `descriptor`, never one into another."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = sys.stdout.fileno() if descriptor is None else descriptor
        self._lock = threading.Lock()

    def __call__(self, document: Mapping[str, Any]) -> None:
        rest = json.dumps(document, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
