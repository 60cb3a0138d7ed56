"""Follow the standard output of a container, one JSON document a line.

The container's log is the transport: it outlives both the process that wrote it and the
orchestrator that reads it, so nothing is lost when either dies.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from ..driver.base import Driver
from ..errors import NtplabError

Document = dict[str, Any]


def lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """Whole lines out of chunks cut anywhere; a last line without its newline is left out."""
    rest = b""
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole


def documents(chunks: Iterable[bytes], on_stray: Callable[[str], None]) -> Iterator[Document]:
    """JSON objects, one a line; whatever else stands in the stream goes to `on_stray`."""
    for line in lines(chunks):
        if not line.strip():
            continue
        try:
            document = json.loads(line)
        except ValueError:
            document = None
        if isinstance(document, dict) and "t" in document:
            yield document
        else:
            on_stray(line.decode(errors="replace"))


class Stream:
    """A thread that hands every document of one node's output to `handle`, until it ends."""

    def __init__(
        self,
        driver: Driver,
        lab: str,
        node: str,
        handle: Callable[[Document], None],
        tail: int | None = None,
    ) -> None:
        """`tail`: of what was printed before, only the last so many lines; everything by default"""
        self.node = node
        self.stray: list[str] = []
        self._failure: NtplabError | None = None
        self._driver, self._lab, self._handle, self._tail = driver, lab, handle, tail
        self._thread = threading.Thread(target=self._follow, name=f"stream-{node}", daemon=True)

    def start(self) -> Stream:
        self._thread.start()
        return self

    def _follow(self) -> None:
        try:
            chunks = self._driver.logs(
                self._lab, self.node, follow=True, tail=self._tail, stderr=False
            )
            for document in documents(chunks, self.stray.append):
                self._handle(document)
        except NtplabError as error:
            self._failure = error

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    def check(self) -> None:
        """Raises what broke the stream, if anything did."""
        if self._failure is not None:
            raise self._failure

    def join(self, timeout_s: float) -> None:
        """Wait for the end of the output. Raises what broke the stream, if anything did."""
        self._thread.join(timeout_s)
        self.check()
