"""Bytes of a stream to lines of text; what cannot be a message is counted, and skipped. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

LINE_BYTES_MAX = 1440
"""Of one message in Airplug."""


@dataclass
class LineSplitter:
    """Feed it whatever arrives; `rejected` counts lines that were no text or too long."""

    rejected: dict[str, int] = field(default_factory=dict)
    _rest: bytearray = field(default_factory=bytearray)
    _skipping: bool = False

    def feed(self, data: bytes) -> Iterator[str]:
        """Every line that `data` completes, without its newline."""
        self._rest += data
        while (end := self._rest.find(b"\n")) >= 0:
            line = bytes(self._rest[:end])
            del self._rest[: end + 1]
            if self._skipping:
                self._skipping = False
            elif len(line) > LINE_BYTES_MAX:
                self._reject("line too long")
            else:
                yield from self._text(line)
        if len(self._rest) > LINE_BYTES_MAX:
            if not self._skipping:
                self._reject("line too long")
            self._skipping = True
            self._rest.clear()

    def _text(self, line: bytes) -> Iterator[str]:
        try:
            yield line.decode("utf-8")
        except UnicodeDecodeError:
            self._reject("not UTF-8")

    def _reject(self, reason: str) -> None:
        self.rejected[reason] = self.rejected.get(reason, 0) + 1
